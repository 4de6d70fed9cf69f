//! Spaces: who is where, who may move whom, and attacks.

use crate::check;

#[test]
fn a_grid() {
    check(
        r#"
        scrip god 0, ann 0, bob 0, carl 0
        ---
        god genesis_space.make_grid ["field", 4, 3, true, 1] -> ok "field"
        ann genesis_space.info ["field"] -> ok {"kind": "grid", "name": "field", "by": "god", "width": 4, "height": 3, "torus": true, "capacity": 1, "size": 12, "placed": 0, "full": 0}
        ann genesis_space.where ["field", "ann"] -> ok null
        ann genesis_space.place ["field", "ann", [0, 0]] -> ok [0, 0]
        god genesis_space.place ["field", "bob", [5, -1]] -> ok [1, 2]
        ann genesis_space.at ["field", [4, 3]] -> ok ["ann"]
        # Across the border of a torus.
        carl genesis_space.near ["field", [0, 0], 1] -> ok ["ann", "bob"]
        carl genesis_space.near ["field", [0, 0], 1, "neumann"] -> ok ["ann"]
        carl genesis_space.near ["field", [0, 0], 2, "neumann"] -> ok ["ann", "bob"]
        carl genesis_space.neighbours ["field", [0, 0], "neumann"] -> ok [[1, 0], [3, 0], [0, 1], [0, 2]]
        # A full cell is free again when its one has gone.
        carl genesis_space.place ["field", "carl", [0, 0]] -> code_error "[0, 0] of field is full: it holds 1"
        ann genesis_space.move ["field", [2, 2]] -> ok [2, 2]
        carl genesis_space.place ["field", "carl", [0, 0]] -> ok [0, 0]
        carl genesis_space.place ["field", "carl", [3, 0]] -> code_error "carl is at [0, 0] of field: `move` it"
        god genesis_space.place ["field", "carl", [3, 0]] -> ok [3, 0]
        ann genesis_space.info ["field"] -> ok ~{"placed": 3, "full": 3}
        carl genesis_space.leave ["field"] -> ok true
        carl genesis_space.leave ["field"] -> ok false
        carl genesis_space.move ["field", [1, 1]] -> code_error "carl is nowhere in field"
        "#,
    );
}

#[test]
fn free_places_are_drawn_without_a_look_at_full_ones() {
    check(
        r#"
        scrip god 0, ann 0, bob 0, carl 0
        ---
        god genesis_space.make_grid ["row", 3, 1, false, 1] -> ok
        ann genesis_space.place ["row", "ann", [0, 0]] -> ok
        bob genesis_space.place ["row", "bob", [2, 0]] -> ok
        carl genesis_space.free ["row", 5] -> ok [[1, 0]]
        ann genesis_space.move ["row", [1, 0]] -> ok
        carl genesis_space.free ["row"] -> ok [[0, 0]]
        god genesis_space.place ["row", "carl", [0, 0]] -> ok
        carl genesis_space.free ["row", 2] -> ok []
        bob genesis_space.leave ["row"] -> ok true
        carl genesis_space.free ["row", 2] -> ok [[2, 0]]
        # The largest grid answers as the smallest does.
        god genesis_space.make_grid ["plain", 1000000, 1000000, false, 1] -> ok
        god genesis_space.place ["plain", "ann", [999999, 0]] -> ok [999999, 0]
        ann genesis_space.near ["plain", [0, 999999], 1000000] -> ok ["ann"]
        ann genesis_space.near ["plain", [0, 999999], 999998] -> ok []
        "#,
    );
}

#[test]
fn a_graph() {
    check(
        r#"
        scrip god 0, ann 0, bob 0
        ---
        god genesis_space.make_graph ["net", [["a", "b"], ["b", "c"], ["c", "d"], ["a", "b"], ["x", "x"], ["alone"]], 1] -> ok "net"
        ann genesis_space.info ["net"] -> ok ~{"kind": "graph", "size": 6, "capacity": 1}
        ann genesis_space.neighbours ["net", "b"] -> ok ["a", "c"]
        ann genesis_space.neighbours ["net", "alone"] -> ok []
        ann genesis_space.place ["net", "ann", "a"] -> ok "a"
        bob genesis_space.place ["net", "bob", "d"] -> ok "d"
        bob genesis_space.near ["net", "a", 2] -> ok ["ann"]
        bob genesis_space.near ["net", "a", 3] -> ok ["ann", "bob"]
        bob genesis_space.move ["net", "a"] -> code_error "a of net is full"
        bob genesis_space.move ["net", "e"] -> code_error "there is no node e"
        bob genesis_space.connect ["net", [["d", "a"]]] -> code_error "net is for god to change"
        god genesis_space.connect ["net", [["d", "a"], ["d", "e"]]] -> ok 7
        bob genesis_space.near ["net", "a", 1] -> ok ["ann", "bob"]
        god genesis_space.make_graph ["ints", [[1, 2], [2, 10]]] -> ok "ints"
        ann genesis_space.neighbours ["ints", 2] -> ok [1, 10]
        ann genesis_space.neighbours ["ints", "2"] -> code_error "there is no node 2"
        god genesis_space.connect ["ints", [["a", 1]]] -> code_error "all texts, or all integers"
        god genesis_space.make_graph ["bad", [["a|b", "c"]]] -> code_error "without |"
        god genesis_space.make_graph ["bad", [[1, 2, 3]]] -> code_error "an edge is [one, other]"
        god genesis_space.make_graph ["bad", [[[1], 2]]] -> code_error "a text or an integer"
        "#,
    );
}

#[test]
fn nobody_moves_another_or_takes_a_name() {
    check(
        r#"
        scrip god 0, ann 0, eve 0
        tool pawn by ann: def go():\n    return invoke("genesis_space", "field", me, [1, 1], method="place")
        thing gone ann
        ---
        god genesis_space.make_grid ["field", 3, 3, false, 1] -> ok
        eve genesis_space.make_grid ["field", 9, 9] -> code_error "there is a space field already"
        eve genesis_space.make_graph ["field", []] -> code_error "there is a space field already"
        eve genesis_space.place ["field", "ann", [0, 0]] -> code_error "eve places nobody but itself in field"
        ann genesis_space.place ["field", "ann", [0, 0]] -> ok
        eve genesis_space.leave ["field", "ann"] -> code_error "eve takes nobody but itself away from field"
        eve genesis_space.place ["field", "nobody_at_all", [1, 1]] -> code_error "eve places nobody but itself"
        god genesis_space.place ["field", "nobody_at_all", [1, 1]] -> code_error "there is no nobody_at_all"
        # A caller that acts through code acts as that code.
        ann pawn.go -> ok [1, 1]
        eve genesis_space.at ["field", [1, 1]] -> ok ["pawn"]
        # Strange places and names.
        eve genesis_space.place ["field", "eve", [3, 0]] -> code_error "outside the grid of 3 by 3"
        eve genesis_space.place ["field", "eve", [-1, 0]] -> code_error "outside the grid"
        eve genesis_space.place ["field", "eve", [1]] -> code_error "a cell is [x, y]"
        eve genesis_space.place ["field", "eve", [true, 1]] -> code_error "a cell is [x, y]"
        eve genesis_space.place ["field", "eve", "a"] -> code_error "a cell is [x, y]"
        eve genesis_space.place ["nix", "eve", [0, 0]] -> code_error "there is no space nix"
        eve genesis_space.where ["field|x", "ann"] -> code_error "there is no space"
        eve genesis_space.make_grid ["a|b", 2, 2] -> code_error "letters, digits"
        eve genesis_space.make_grid ["", 2, 2] -> code_error "1 to 48 letters"
        eve genesis_space.make_grid ["huge", 1000001, 2] -> invalid_argument "maximum"
        eve genesis_space.make_grid ["none", 0, 2] -> invalid_argument "minimum"
        eve genesis_space.make_grid ["none", 2, -1] -> invalid_argument "minimum"
        eve genesis_space.make_grid ["none", 2, 2, false, 0] -> invalid_argument "minimum"
        eve genesis_space.make_grid ["none", 2.5, 2] -> invalid_argument
        eve genesis_space.near ["field", [0, 0], -1] -> invalid_argument "minimum"
        eve genesis_space.near ["field", [0, 0], 1, "far"] -> invalid_argument
        eve genesis_space.free ["field", 0] -> invalid_argument "minimum"
        eve genesis_space.connect ["field", []] -> code_error "field is a grid"
        # One who is gone makes room, and anybody may take it away.
        god genesis_space.place ["field", "gone", [2, 2]] -> ok
        eve genesis_space.leave ["field", "gone"] -> code_error "takes nobody but itself away"
        ann {"op": "delete", "artifact": "gone"} -> ok
        eve genesis_space.place ["field", "eve", [2, 2]] -> ok [2, 2]
        eve genesis_space.where ["field", "gone"] -> ok null
        god genesis_space.place ["field", "gone", [2, 1]] -> code_error "there is no gone"
        "#,
    );
}

#[test]
fn places_lie_on_the_disk_of_who_lends_it() {
    check(
        r#"
        file: [resources.disk]\nkind = "allocatable"\ntotal = "1 MB"\nsplit = "none"
        scrip god 0 disk 100000, ann 0 disk 20000, poor 0 disk 100
        ---
        god genesis_space.make_grid ["field", 3, 3, false, 1] -> ok
        poor genesis_space.place ["field", "poor", [0, 0]] -> quota_exceeded
        ann genesis_space.place ["field", "ann", [0, 0]] -> ok
        quota ann disk 19232
        ann genesis_space.move ["field", [2, 2]] -> ok
        ann genesis_space.leave ["field"] -> ok true
        quota ann disk 20000
        # The maker lends for those whom it places, and has it back, whoever takes them away.
        god genesis_space.place ["field", "poor", [1, 1]] -> ok
        poor genesis_space.leave ["field"] -> ok true
        quota god disk 99232
        ann genesis_space.place ["field", "ann", [0, 0]] give 10_disk -> code_error "this takes"
        ann genesis_space.move ["field", [1, 1]] give 10_disk -> code_error "this takes nothing"
        "#,
    );
}
