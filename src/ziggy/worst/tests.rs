//! The worst case against everything that a candidate could take within its limits.

use proptest::prelude::*;

use super::*;
use crate::types::Money;
use crate::ziggy::estimate_tokens;

fn any_appetite() -> impl Strategy<Value = Appetite> {
    let sizes = (0u64..500, 0u64..2_000, 0u64..4_000);
    (sizes, 1u32..600, any::<[bool; 3]>(), 1u32..9, 0u64..40_000).prop_map(
        |((system_tokens, system_bytes, facts), answer_most, [own_tokenizer, tools, again], turns, tokens_most)| {
            Appetite {
                system_tokens,
                system_bytes,
                facts,
                answer_most,
                own_tokenizer,
                tools,
                again,
                turns,
                tokens_most,
            }
        },
    )
}

fn any_wanted() -> impl Strategy<Value = Wanted> {
    (0u64..3_000, proptest::option::of(0u64..12_000), 0u64..800, 0u64..50_000).prop_map(
        |(tokens_in, bytes_in, tokens_out_max, allowed)| Wanted { tokens_in, bytes_in, tokens_out_max, allowed },
    )
}

fn any_price() -> impl Strategy<Value = Price> {
    (0i64..5_000_000, 0i64..5_000_000).prop_map(|(input, output)| Price::new(input, output))
}

#[test]
fn it_is_what_the_facts_say() {
    let price = Price::new(1_000_000, 2_000_000);
    let wanted = Wanted { tokens_in: 100, bytes_in: Some(350), tokens_out_max: 64, allowed: 10_000 };
    let plain = Appetite { system_tokens: 10, system_bytes: 300, facts: 5, answer_most: 50, ..Appetite::default() };
    let worst = |appetite: Appetite, wanted| {
        let Amounts { money, tokens, requests } = appetite.worst(price, 4_096, &wanted);
        assert_eq!(requests, 1);
        (money, tokens)
    };
    // 100 + 10 + 5 read, 50 written at twice the price.
    assert_eq!(worst(plain, wanted), (Money(215), 165));
    // Every byte: 350 + 300 + 5.
    let own = Appetite { own_tokenizer: true, ..plain };
    assert_eq!(worst(own, wanted), (Money(755), 705));
    // Nobody said how many bytes it has: five for each token.
    assert_eq!(worst(own, Wanted { bytes_in: None, ..wanted }), (Money(905), 855));
    // Four turns of 50, and the rest of 1,000 read.
    let again = Appetite { again: true, turns: 4, tokens_most: 1_000, ..plain };
    assert_eq!(worst(again, wanted), (Money(1_200), 1_000));
    // No more than the request has, and no less than asking once takes.
    assert_eq!(worst(again, Wanted { allowed: 300, ..wanted }).1, 300);
    assert_eq!(worst(again, Wanted { allowed: 3, ..wanted }).1, 165);
    // On a runtime that takes no tools it is asked once.
    assert_eq!(worst(Appetite { tools: true, ..again }.on(false, false), wanted), (Money(215), 165));
    assert_eq!(worst(Appetite { tools: true, ..again }.on(false, true), wanted), (Money(1_200), 1_000));
}

proptest! {
    // WO2.
    #[test]
    fn nothing_within_the_limits_takes_more(
        appetite in any_appetite(),
        wanted in any_wanted(),
        price in any_price(),
        context in 500u32..8_000,
        turns in proptest::collection::vec((0u64..=1_000, 0u64..=1_000), 1..8),
    ) {
        let worst = appetite.worst(price, context, &wanted);
        let answer = wanted.tokens_out_max.min(u64::from(appetite.answer_most));
        let (mut read, mut written) = (0, 0);
        // Each turn is held to its answer, and all of them to the tokens that are reserved: thousandths of both.
        let once = appetite.most(price, context, &wanted);
        let asked = if appetite.again { appetite.turns as usize } else { 1 };
        for (reads, writes) in turns.into_iter().take(asked) {
            let most = if appetite.again { worst.tokens } else { once.read };
            written += (answer * writes / 1_000).min(worst.tokens - read - written);
            read += (most * reads / 1_000).min(worst.tokens - read - written);
        }
        prop_assert!(read + written <= worst.tokens);
        prop_assert!(price.cost(read, written) <= worst.money, "{read} read, {written} written of {worst:?}");
    }

    // WO3.
    #[test]
    fn more_of_anything_is_never_less(
        one in any_appetite(),
        other in any_appetite(),
        wanted in (any_wanted(), any_wanted()),
        prices in (any_price(), any_price()),
        contexts in (500u32..8_000, 500u32..8_000),
    ) {
        let most = Wanted {
            tokens_in: wanted.0.tokens_in.max(wanted.1.tokens_in),
            bytes_in: wanted.0.bytes_in.zip(wanted.1.bytes_in).map(|(one, other)| one.max(other)),
            tokens_out_max: wanted.0.tokens_out_max.max(wanted.1.tokens_out_max),
            allowed: wanted.0.allowed.max(wanted.1.allowed),
        };
        prop_assume!(most.bytes_in.is_some() || wanted.0.bytes_in.is_none());
        let dearest = Price::new(prices.0.input.max(prices.1.input), prices.0.output.max(prices.1.output));
        let less = one.worst(prices.0, contexts.0, &wanted.0);
        let more = one.or(other).worst(dearest, contexts.0.max(contexts.1), &most);
        prop_assert!(less.tokens <= more.tokens && less.money <= more.money, "{less:?} {more:?}");
    }

    #[test]
    fn the_estimate_counts_no_more_than_five_bytes_as_one_token(text in "[a-zA-Z0-9 .\n\té語😀]{0,80}") {
        prop_assert!(text.len() as u64 <= BYTES_OF_A_TOKEN_MOST * estimate_tokens(&text), "{text:?}");
    }
}
