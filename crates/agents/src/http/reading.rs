//! Reading a body as far as it may go, and no further.

use reqwest::Response;

/// The bytes of a body.
pub(super) enum Body {
    /// All of them.
    Whole(Vec<u8>),
    /// The first ones of more than may come; the rest was not read.
    TooLong(Vec<u8>),
    /// The connection ended before the body did.
    Cut(reqwest::Error),
}

/// Reads a body of at most so many bytes.
pub(super) async fn read(mut response: Response, bytes_max: usize) -> Body {
    let mut bytes = Vec::new();
    loop {
        match response.chunk().await {
            Ok(None) => return Body::Whole(bytes),
            Ok(Some(chunk)) => {
                let room = bytes_max - bytes.len();
                bytes.extend(chunk.iter().take(room));
                if chunk.len() > room {
                    return Body::TooLong(bytes);
                }
            }
            Err(error) => return Body::Cut(error),
        }
    }
}
