//! JSON, read here: no library keeps the place of every value. Texts and numbers are left to serde_json.

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value};

use super::super::pointer;
use super::super::problem::Problem;
use super::tree::{Lines, TOO_GREAT, Tree, fraction, twice, whole};
use super::{Document, Spot};

pub(super) fn read(text: &str) -> Result<Document, Vec<Problem>> {
    let mut reader = Reader { text, at: 0, lines: Lines::new(text), tree: Tree::default() };
    let value = reader.document().map_err(|problem| vec![problem])?;
    Ok(reader.tree.finish(value))
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    lines: Lines<'t>,
    tree: Tree,
}

impl Reader<'_> {
    fn document(&mut self) -> Result<Value, Problem> {
        let value = self.value("", 0, None)?;
        self.space();
        match self.peek() {
            None => Ok(value),
            Some(_) => Err(self.wrong("the end of the text")),
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn spot(&self) -> Spot {
        self.lines.spot(self.at)
    }

    fn wrong(&self, expected: &str) -> Problem {
        let found = match self.text[self.at..].chars().next() {
            Some(sign) => format!("not JSON: {sign:?}"),
            None => "not JSON: the text ends".to_owned(),
        };
        Problem::unreadable(self.spot(), found, expected)
    }

    fn expect(&mut self, byte: u8, expected: &str) -> Result<(), Problem> {
        self.space();
        if self.peek() != Some(byte) {
            return Err(self.wrong(expected));
        }
        self.at += 1;
        Ok(())
    }

    fn value(&mut self, at: &str, depth: usize, key: Option<Spot>) -> Result<Value, Problem> {
        self.space();
        self.tree.node(at, depth, key, self.spot())?;
        match self.peek() {
            Some(b'{') => self.object(at, depth),
            Some(b'[') => self.array(at, depth),
            Some(b'"') => self.string().map(Value::String),
            Some(b'-' | b'0'..=b'9') => self.number(at),
            _ => {
                let words = [("true", Value::Bool(true)), ("false", Value::Bool(false)), ("null", Value::Null)];
                let known = words.into_iter().find(|(word, _)| self.text[self.at..].starts_with(word));
                let (word, value) = known.ok_or_else(|| self.wrong("a value"))?;
                self.at += word.len();
                Ok(value)
            }
        }
    }

    fn object(&mut self, at: &str, depth: usize) -> Result<Value, Problem> {
        self.at += 1;
        let (mut map, mut keys) = (Map::new(), BTreeMap::new());
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Object(map));
        }
        loop {
            self.space();
            let spot = self.spot();
            if self.peek() != Some(b'"') {
                return Err(self.wrong("a key in double quotes"));
            }
            let key = self.string()?;
            if let Some(first) = keys.insert(key.clone(), spot) {
                return Err(twice(&key, first, spot));
            }
            self.expect(b':', "a colon after the key")?;
            let value = self.value(&pointer::join(at, &key), depth + 1, Some(spot))?;
            map.insert(key, value);
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => return Err(self.wrong("a comma or the end of the object")),
            }
        }
        self.at += 1;
        Ok(Value::Object(map))
    }

    fn array(&mut self, at: &str, depth: usize) -> Result<Value, Problem> {
        self.at += 1;
        let mut items = Vec::new();
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::Array(items));
        }
        loop {
            let value = self.value(&pointer::item(at, items.len()), depth + 1, None)?;
            items.push(value);
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                _ => return Err(self.wrong("a comma or the end of the list")),
            }
        }
        self.at += 1;
        Ok(Value::Array(items))
    }

    /// The end of the text that begins here is found by its quotes; what it says is serde_json's to read.
    fn string(&mut self) -> Result<String, Problem> {
        let bytes = self.text.as_bytes();
        let mut end = self.at + 1;
        while bytes.get(end).is_some_and(|byte| *byte != b'"') {
            end += if bytes[end] == b'\\' { 2 } else { 1 };
        }
        let written = self.text.get(self.at..=end).filter(|written| written.len() > 1);
        let read = written.map(serde_json::from_str::<String>);
        match read {
            Some(Ok(text)) => {
                self.at = end + 1;
                Ok(text)
            }
            Some(Err(error)) => {
                let spot = self.lines.spot(self.at + error.column().saturating_sub(1));
                Err(Problem::unreadable(
                    spot,
                    "not JSON: a text with a sign that must be escaped",
                    "an escape JSON knows",
                ))
            }
            None => Err(Problem::unreadable(self.spot(), "not JSON: a text without an end", "a closing quote")),
        }
    }

    fn number(&mut self, at: &str) -> Result<Value, Problem> {
        let rest = &self.text[self.at..];
        let length = rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte)).count();
        let written = &rest[..length];
        let read = match serde_json::from_str::<Number>(written) {
            // The one whole number that is none to serde_json.
            Ok(_) if written == "-0" => whole(0),
            Ok(number) if !written.contains(['.', 'e', 'E']) => number.as_i64().ok_or(TOO_GREAT).and_then(whole),
            Ok(number) => number.as_f64().ok_or("a number").and_then(fraction),
            Err(error) if error.to_string().starts_with("number out of range") => Err(TOO_GREAT),
            Err(_) => Err("a number as JSON writes it, such as 12 or -0.5"),
        };
        let wrong = |expected: &str| Problem {
            pointer: at.to_owned(),
            ..Problem::unreadable(self.spot(), format!("the number {written}"), expected)
        };
        let value = read.map_err(wrong)?;
        self.at += length;
        Ok(value)
    }
}
