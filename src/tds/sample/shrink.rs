//! Smaller values beside one, for who looks for the smallest that still does what it should not.

use serde_json::{Value, json};

/// Values beside one that are smaller by one step, the smallest first. None of them need fit what the one does.
pub fn smaller(value: &Value) -> Vec<Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Bool(flag) => flag.then(|| json!(false)).into_iter().collect(),
        Value::Number(number) => {
            let steps = [json!(0), json!(1), json!(-1)].into_iter();
            let whole = number.as_f64().map_or(0.0, f64::abs);
            steps.filter(|step| step.as_f64().is_some_and(|step| step.abs() < whole)).collect()
        }
        Value::String(text) => {
            let signs: Vec<char> = text.chars().collect();
            let cut = |signs: &[char]| json!(signs.iter().collect::<String>());
            let halves = [signs.len() / 2, signs.len().saturating_sub(1)];
            let mut found = if signs.is_empty() { Vec::new() } else { vec![json!("")] };
            for half in halves.into_iter().filter(|half| *half > 0) {
                found.push(cut(&signs[..half]));
                found.push(cut(&signs[signs.len() - half..]));
            }
            found
        }
        Value::Array(items) => {
            let mut found = if items.is_empty() { Vec::new() } else { vec![json!([])] };
            if items.len() > 1 {
                found.push(json!(items[..items.len() / 2]));
                found.push(json!(items[items.len() / 2..]));
                found.push(json!(items[..items.len() - 1]));
            }
            for (at, item) in items.iter().enumerate() {
                found.extend(smaller(item).into_iter().map(|less| {
                    let mut items = items.clone();
                    items[at] = less;
                    Value::Array(items)
                }));
            }
            found
        }
        Value::Object(map) => {
            let without = map.keys().map(|key| {
                let mut less = map.clone();
                less.remove(key);
                Value::Object(less)
            });
            let mut found: Vec<Value> = without.collect();
            for (key, inner) in map {
                found.extend(smaller(inner).into_iter().map(|less| {
                    let mut map = map.clone();
                    map.insert(key.clone(), less);
                    Value::Object(map)
                }));
            }
            found
        }
    }
}
