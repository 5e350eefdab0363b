//! A JSON document, written, parsed and added up.

use std::collections::BTreeMap;
use std::fmt::Write;

enum Value {
    Literal,
    Number(f64),
    Text(String),
    Array(Vec<Value>),
    Object(BTreeMap<String, Value>),
}

/// A document of so many records.
pub fn document(records: usize) -> String {
    let mut text = String::from("[");
    for i in 0..records {
        let separator = if i > 0 { ",\n" } else { "" };
        write!(
            text,
            "{separator}{{\"id\": {i}, \"name\": \"record \\\"{i}\\\"\", \"active\": {},\n  \
             \"tags\": [\"one\", \"two\", \"n{}\"], \"position\": {{\"x\": {:.3}, \"y\": -{}.5e2}}, \
             \"parent\": null}}",
            i % 3 != 0,
            i % 17,
            i as f64 * 0.125,
            i % 1000
        )
        .unwrap();
    }
    text.push(']');
    text
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
}

impl Parser<'_> {
    fn skip(&mut self) -> u8 {
        while self.text[self.at].is_ascii_whitespace() {
            self.at += 1;
        }
        self.text[self.at]
    }

    /// Whether there is another member; moves to it, or behind the closing bracket.
    fn more(&mut self, closing: u8) -> bool {
        self.skip();
        if self.text[self.at] != closing {
            self.at += 1;
            if self.skip() != closing {
                return true;
            }
        }
        self.at += 1;
        false
    }

    fn string(&mut self) -> String {
        let mut bytes = Vec::new();
        self.at += 1;
        while self.text[self.at] != b'"' {
            self.at += usize::from(self.text[self.at] == b'\\');
            bytes.push(self.text[self.at]);
            self.at += 1;
        }
        self.at += 1;
        String::from_utf8(bytes).expect("UTF-8")
    }

    fn number(&mut self) -> f64 {
        let from = self.at;
        while matches!(self.text[self.at], b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E') {
            self.at += 1;
        }
        std::str::from_utf8(&self.text[from..self.at]).unwrap().parse().expect("a number")
    }

    fn value(&mut self) -> Value {
        match self.skip() {
            b'{' => {
                let mut members = BTreeMap::new();
                while self.more(b'}') {
                    let key = self.string();
                    self.skip();
                    self.at += 1; // the colon
                    members.insert(key, self.value());
                }
                Value::Object(members)
            }
            b'[' => {
                let mut items = Vec::new();
                while self.more(b']') {
                    items.push(self.value());
                }
                Value::Array(items)
            }
            b'"' => Value::Text(self.string()),
            b't' | b'f' | b'n' => {
                while self.text[self.at].is_ascii_alphabetic() {
                    self.at += 1;
                }
                Value::Literal
            }
            _ => Value::Number(self.number()),
        }
    }
}

/// Parses a document into a tree; the sum of its numbers and of its texts' lengths.
pub fn total(text: &str) -> f64 {
    sum(&Parser { text: text.as_bytes(), at: 0 }.value())
}

fn sum(value: &Value) -> f64 {
    match value {
        Value::Literal => 0.0,
        Value::Number(number) => *number,
        Value::Text(text) => text.len() as f64,
        Value::Array(items) => items.iter().map(sum).sum(),
        Value::Object(members) => members.values().map(sum).sum(),
    }
}
