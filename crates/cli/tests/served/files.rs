//! The file of tokens of a world that is served, while it is changed.

use std::os::unix::fs::PermissionsExt as _;

use super::served::{SHOP, serve};

#[test]
fn the_owner_is_told_once_that_a_file_of_tokens_lets_nobody_in() {
    let shop = serve(SHOP, &["--paused"]);
    let seat = shop.token(&["--as", "alice"]);
    let file = shop.db.with_file_name("w.oikos.tokens");
    let asked = |mode: u32| {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).expect("a file");
        [&seat, &seat, &shop.observer].map(|token| shop.get(token, "/api/v1/world").status)
    };
    assert_eq!([asked(0o600), asked(0o644), asked(0o600)], [[200; 3], [503, 503, 200], [200; 3]]);
    std::fs::write(&file, "no token\n").expect("a file");
    assert_eq!(asked(0o600), [503, 503, 200]);
    let (_, talk) = shop.interrupt();
    for (part, times) in [
        ("may be read or written by others", 1),
        ("line 1: this is no line about a token", 1),
        ("until that is mended nobody gets in by those tokens", 2),
        ("is mended: its tokens are good again", 1),
    ] {
        assert_eq!(talk.matches(part).count(), times, "{part}: {talk}");
    }
}
