//! As `shards.rs`, of so many that it takes long: `cargo xtask scale thoughts` runs these.

mod base;
mod given;
mod provider;
mod served;
mod small;

use self::given::*;

#[test]
fn a_thousand_models_are_asked_by_followers_and_the_tape_is_whole() {
    asked_elsewhere("thousand", 1_000, 60);
}
