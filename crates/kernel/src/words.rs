//! Enums of words: each word is written once, and is an enum's variant from the door on.

/// Makes an enum whose variants are words: `Variant = "word"`.
macro_rules! words {
    ($(#[$meta:meta])+ $Name:ident { $($(#[$vmeta:meta])* $Variant:ident = $word:literal,)+ }) => {
        $(#[$meta])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $Name { $($(#[$vmeta])* $Variant,)+ }

        impl $Name {
            /// Every variant, in order.
            pub const ALL: [Self; Self::WORDS.len()] = [$(Self::$Variant),+];
            /// Every word, in order.
            pub const WORDS: &[&str] = &[$($word),+];

            /// The word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$Variant => $word,)+ }
            }

            /// The meaning of a word.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$Variant),)+ _ => None }
            }
        }
    };
}

pub(crate) use words;
