//! One JSON value as a row, its members as they stand.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// The text of a cell: that of a string, the source of anything else, nothing for null.
pub(crate) fn text_of(value: &RawValue) -> Option<Cow<'_, str>> {
    let source = value.get();
    match source.as_bytes().first() {
        None | Some(b'n') => None,
        Some(b'"') if !source.contains('\\') => Some(Cow::Borrowed(&source[1..source.len() - 1])),
        Some(b'"') => Some(Cow::Owned(serde_json::from_str(source).unwrap_or_else(|_| source.to_owned()))),
        Some(b'{' | b'[') => Some(Cow::Owned(compact(source))),
        Some(_) => Some(Cow::Borrowed(source)),
    }
}

/// Leaves out the white space between tokens.
fn compact(source: &str) -> String {
    let (mut in_string, mut escaped) = (false, false);
    let keep = |character: &char| {
        if in_string {
            (in_string, escaped) = (escaped || *character != '"', !escaped && *character == '\\');
            return true;
        }
        in_string = *character == '"';
        !character.is_ascii_whitespace()
    };
    source.chars().filter(keep).collect()
}

/// One element, its values as they stand.
pub(crate) enum Element<'a> {
    Object(Vec<(Cow<'a, str>, &'a RawValue)>),
    Array(Vec<&'a RawValue>),
    Scalar(&'a RawValue),
}

impl<'de: 'a, 'a> Deserialize<'de> for Element<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value: &'a RawValue = Deserialize::deserialize(deserializer)?;
        let invalid = serde::de::Error::custom;
        match value.get().as_bytes().first() {
            Some(b'{') => serde_json::from_str::<Members<'a>>(value.get()).map(|m| Self::Object(m.0)).map_err(invalid),
            Some(b'[') => serde_json::from_str(value.get()).map(Self::Array).map_err(invalid),
            _ => Ok(Self::Scalar(value)),
        }
    }
}

/// The members of an object.
pub(crate) struct Members<'a>(pub(crate) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Vec<(Cow<'de, str>, &'de RawValue)>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(Key(name)) = map.next_key()? {
                    members.push((name, map.next_value()?));
                }
                Ok(members)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
                Err(serde::de::Error::custom("an object expected"))
            }
        }
        deserializer.deserialize_map(Collect).map(Members)
    }
}

struct Key<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Key<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrow;
        impl<'de> Visitor<'de> for Borrow {
            type Value = Cow<'de, str>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(text))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Cow::Owned(text.to_owned()))
            }
        }
        deserializer.deserialize_str(Borrow).map(Key)
    }
}
