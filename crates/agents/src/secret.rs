//! Keys of providers: values that can be sent and can't be shown.

use reqwest::header::HeaderValue;

/// A provider's key. It has neither `Debug` nor `Display`, so that it stands in no message by accident.
#[derive(Clone)]
pub struct Key(Box<str>);

/// Stands for a key where one was found in a text.
const SHOWN: &str = "[key]";

/// A text that can't be a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// There is nothing in it.
    #[error("it is empty")]
    Empty,
    /// It holds signs that no header can carry.
    #[error("it holds signs that no key has, such as a line break or letters beyond ASCII")]
    Signs,
}

impl Key {
    /// A key; white space around it is no part of it.
    ///
    /// # Errors
    /// When it could not be sent.
    pub fn new(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(KeyError::Empty);
        }
        let is_sent = text.bytes().all(|byte| byte.is_ascii_graphic());
        if is_sent { Ok(Self(text.into())) } else { Err(KeyError::Signs) }
    }

    /// A header with the key after some words; libraries that print headers leave it out.
    #[expect(clippy::expect_used, reason = "a key of printed ASCII is the value of a header")]
    pub(crate) fn header(&self, before: &str) -> HeaderValue {
        let mut value = HeaderValue::from_str(&format!("{before}{}", self.0)).expect("printed ASCII");
        value.set_sensitive(true);
        value
    }

    /// The text without the key: providers repeat it in what they answer. A key of a few letters is a word like
    /// others, and stays.
    pub(crate) fn scrub(&self, text: String) -> String {
        const CHARS_MIN: usize = 6;
        if self.0.len() < CHARS_MIN {
            return text;
        }
        let escaped = self.0.replace('\\', "\\\\").replace('"', "\\\"");
        let mut text = text;
        for form in [self.0.as_ref(), escaped.as_str()] {
            if text.contains(form) {
                text = text.replace(form, SHOWN);
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_sent_whole_and_shown_never() {
        let key = Key::new(" sk-abc\"def\n").ok().unwrap();
        let header = key.header("Bearer ");
        assert_eq!(header.to_str().unwrap(), "Bearer sk-abc\"def");
        assert!(!format!("{header:?}").contains("abc"));
        let text = key.scrub("sk-abc\"def and {\"k\":\"sk-abc\\\"def\"}".into());
        assert_eq!(text, "[key] and {\"k\":\"[key]\"}");
    }

    #[test]
    fn a_text_that_is_no_key_is_refused() {
        assert_eq!(Key::new(" \n").err(), Some(KeyError::Empty));
        for bad in ["a\nb", "schlüssel", "a\0b", "a b"] {
            assert_eq!(Key::new(bad).err(), Some(KeyError::Signs));
        }
    }
}
