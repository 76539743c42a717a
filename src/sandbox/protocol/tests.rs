//! What a tool prints, well and badly.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn read(text: impl AsRef<[u8]>, exit: Exit) -> (Vec<Line>, Result<Value, Failure>) {
    let (mut reader, mut said) = (Reader::new(Speech::Lines, Bounds::default()), Vec::new());
    if let Err(resource) = reader.feed(text.as_ref(), &mut said) {
        return (said, Err(Failure::new(Class::Exhausted, resource.word())));
    }
    let answer = reader.finish(exit, &mut said);
    (said, answer)
}

fn failure(text: impl AsRef<[u8]>, exit: Exit) -> String {
    read(text, exit).1.err().map_or_else(|| "none".to_owned(), |failure| failure.message)
}

const RESULT: &str = "{\"type\":\"result\",\"value\":42}\n";

#[test]
fn what_keeps_the_protocol_comes_out_as_it_is() {
    let text = [
        r#"{"type":"chunk","text":"a"}"#,
        r#"{"type":"log","text":"b"}"#,
        r#"{"type":"log","level":"warn","text":"c"}"#,
        r#"{"type":"memory_delta","delta":{"op":"assert"}}"#,
        "",
        r#"{"type":"result","value":{"n":[1,null]}}"#,
    ]
    .join("\r\n");
    let (said, answer) = read(text, Exit::Code(0));
    assert_eq!(answer, Ok(json!({"n": [1, null]})));
    let expected = vec![
        Line::Chunk { text: "a".to_owned(), cut: 0 },
        Line::Log { level: Level::Info, text: "b".to_owned(), cut: 0 },
        Line::Log { level: Level::Warn, text: "c".to_owned(), cut: 0 },
        Line::MemoryDelta { delta: json!({"op": "assert"}) },
    ];
    assert_eq!(said, expected);
}

#[test]
fn an_error_has_the_class_the_tool_gave_it_if_there_is_one() {
    let of = |class: &str| read(format!(r#"{{"type":"error","class":"{class}","message":"no"}}"#), Exit::Code(1)).1;
    assert_eq!(of("not_found"), Err(Failure::new(Class::NotFound, "no")));
    assert_eq!(of("catastrophic"), Err(Failure::new(Class::Internal, "no")));
    assert_eq!(read(r#"{"type":"error","message":"no"}"#, Exit::Code(0)).1, Err(Failure::new(Class::Internal, "no")));
}

#[test]
fn what_denies_a_result_costs_it() {
    let zero = Exit::Code(0);
    let cases = [
        (RESULT.repeat(2), zero, "it answered twice"),
        (format!("{RESULT}{{\"type\":\"error\",\"message\":\"\"}}"), zero, "it answered twice"),
        (format!("{RESULT}thanks"), zero, "it went on after its answer"),
        (format!("{RESULT}{{\"type\":\"chunk\",\"text\":\"\"}}\n"), zero, "it went on after its answer"),
        (RESULT.to_owned(), Exit::Code(3), "it gave a result and then ended with exit code 3"),
        (RESULT.to_owned(), Exit::Signal(9), "it gave a result and then ended with signal 9"),
        (RESULT[..20].to_owned(), zero, "it gave no result, and ended with exit code 0"),
        (String::new(), zero, "it gave no result, and ended with exit code 0"),
        (String::new(), Exit::Code(1), "it gave no result, and ended with exit code 1"),
        (
            "{\"type\":\"result\",\"type\":\"chunk\",\"value\":1}".to_owned(),
            zero,
            "it gave no result, and ended with exit code 0",
        ),
    ];
    for (text, exit, expected) in cases {
        assert_eq!(failure(&text, exit), format!("could not believe the tool: {expected}"), "{text}");
    }
    assert_eq!(read(format!("{RESULT}\n  \n"), zero).1, Ok(json!(42)), "blank lines are no talk");
}

#[test]
fn noise_is_kept_marked_and_costs_nothing() {
    let (said, answer) =
        read(b"hello\n\xff\xfe\n{\"type\":\"resu\n[1]\n{\"type\":\"result\",\"value\":42}\n", Exit::Code(0));
    let noise = |text: &str| Line::Noise { text: text.to_owned(), cut: 0 };
    assert_eq!(said, vec![noise("hello"), noise("\u{fffd}\u{fffd}"), noise("{\"type\":\"resu"), noise("[1]")]);
    assert_eq!(answer, Ok(json!(42)));
}

#[test]
fn what_is_too_long_is_cut_with_a_mark() {
    let bounds = Bounds { line: 60, text: 5, lines: 3 };
    let feed = |text: &str| {
        let (mut reader, mut said) = (Reader::new(Speech::Lines, bounds), Vec::new());
        let fed = reader.feed(text.as_bytes(), &mut said);
        (said, fed, reader)
    };
    let (said, _, _) = feed("{\"type\":\"chunk\",\"text\":\"abcdé-more\"}\n");
    assert_eq!(said, vec![Line::Chunk { text: "abcd… [cut: 7 bytes]".to_owned(), cut: 7 }]);
    let (mut said, _, reader) = feed(&format!("{{\"type\":\"result\",\"value\":\"{}\"}}\n", "x".repeat(100)));
    assert_eq!(said, vec![Line::Noise { text: "{\"typ… [cut: 123 bytes]".to_owned(), cut: 123 }]);
    let answer = reader.finish(Exit::Code(0), &mut said).map_err(|failure| failure.message);
    let expected = "it gave no result that fits into a line of 60 bytes, and ended with exit code 0";
    assert_eq!(answer, Err(format!("could not believe the tool: {expected}")));
    assert_eq!(feed("a\nb\nc\nd\n").1, Err(Resource::Lines));
}

#[test]
fn a_program_that_knows_nothing_of_us_has_its_output_as_result() {
    let mut reader = Reader::new(Speech::Plain, Bounds::default());
    let mut said = Vec::new();
    assert_eq!(reader.feed(b"one\ntwo\xff", &mut said), Ok(()));
    assert_eq!(reader.finish(Exit::Code(1), &mut said), Ok(json!({"stdout": "one\ntwo\u{fffd}", "exit": 1})));
    let reader = Reader::new(Speech::Plain, Bounds::default());
    assert!(reader.finish(Exit::Signal(11), &mut said).is_err());
    assert_eq!(said, Vec::new());
}

#[test]
fn what_is_nested_too_deep_is_noise() {
    let deep = format!("{{\"type\":\"result\",\"value\":{}{}}}\n", "[".repeat(10_000), "]".repeat(10_000));
    let (said, answer) = read(deep, Exit::Code(0));
    assert!(matches!(said[..], [Line::Noise { .. }]), "{said:?}");
    assert!(answer.is_err());
}

/// Lines as tools print them, and bytes as nobody should.
fn printed() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        "[ -~]{0,20}".prop_map(|text| json!({"type": "chunk", "text": text}).to_string().into_bytes()),
        "\\PC{0,80}".prop_map(|text| json!({"type": "log", "text": text}).to_string().into_bytes()),
        Just(RESULT.trim_end().as_bytes().to_vec()),
        Just(br#"{"type":"error","message":"no"}"#.to_vec()),
        proptest::collection::vec(any::<u8>(), 0..300),
    ];
    proptest::collection::vec(line, 0..8).prop_map(|lines| lines.join(&b'\n'))
}

proptest! {
    #[test]
    fn however_it_is_cut_the_same_comes_out(bytes in printed()) {
        fuzz(&bytes);
    }

    // SB4.
    #[test]
    fn a_result_comes_out_only_if_it_is_the_only_answer_and_the_last_word(bytes in printed(), code in 0..2) {
        let (_, answer) = read(&bytes, Exit::Code(code));
        let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
        let answers = |line: &&[u8]| line.starts_with(b"{\"type\":\"result\"") || line.starts_with(b"{\"type\":\"error\"");
        let last = lines.iter().rev().find(|line| !line.iter().all(u8::is_ascii_whitespace));
        let good = lines.iter().filter(|line| answers(line)).count() == 1
            && last.is_some_and(|last| *last == RESULT.trim_end().as_bytes())
            && code == 0;
        prop_assert_eq!(answer.is_ok(), good);
    }
}
