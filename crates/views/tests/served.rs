//! Pages of a world as a server shows them: every link leads to a page, at the end and in the past, and no viewer is
//! shown what it may not see.

#![expect(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "served/shown.rs"]
mod shown;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    path::Path,
};

use oikos_runner::{
    Goal, Journal, Stop, When, Workplace,
    config::{self, Overrides, WorldFile},
    kernel::world::World,
    library, state, state_at,
};
use oikos_views::{Asked, Hands, Links, Moment, Named, Page, Past, Pulse, ROUTES, Unshown, Viewer, render};

/// Two who deal with each other, each with secrets.
const WORLD: &str = r#"
[world]
name = "two"
[execution]
ticks = 4
[measures]
every = "1m"
rich = "max(scrip)"
[resources.disk]
kind = "allocatable"
total = "1 MB"
split = "equal"
[[artifacts]]
id = "tool"
owner = "ann"
price = 2
content = "CONTENT-OF-THE-TOOL"
code = "def run(x):\n    print('OUTPUT-OF-THE-TOOL')\n    return x  # CODE-OF-THE-TOOL"
[[agents]]
id = "ann"
scrip = 100
memory = true
content = { note = "CONTENT-OF-ANN" }
code = '''
def step(o):  # CODE-OF-ANN
    print("THOUGHT-OF-ANN")
    if o["tick"] == 0:
        return [{"op": "store", "key": "k", "value": "STORAGE-OF-ANN"}, {"op": "remember", "text": "MEMORY-OF-ANN"}]
    if o["tick"] == 1:
        return {"op": "edit", "artifact": "tool", "price": 3}
    return {"op": "invoke", "artifact": "nothing-REFUSED-TO-ANN"}
'''
[[agents]]
id = "bob"
scrip = 50
code = '''
def step(o):
    print("THOUGHT-OF-BOB")
    return [{"op": "invoke", "artifact": "tool", "args": [1], "max_spend": 9},
            {"op": "transfer", "to": "ann", "amount": 1}]
'''
"#;

/// The words that only ann, and observers, may read.
const SECRETS: [&str; 8] = [
    "CONTENT-OF-THE-TOOL",
    "CODE-OF-THE-TOOL",
    "CONTENT-OF-ANN",
    "CODE-OF-ANN",
    "THOUGHT-OF-ANN",
    "STORAGE-OF-ANN",
    "MEMORY-OF-ANN",
    "nothing-REFUSED-TO-ANN",
];

fn workplace() -> Workplace {
    let cache = Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("python"));
    let workplace = Workplace { cache, ..Workplace::default() };
    workplace.prepare().expect("the runtime can be had");
    workplace
}

fn parsed(text: &str) -> WorldFile {
    let mut no_files = |_: &str| Err("there is none".to_owned());
    let file =
        config::parse("w.toml", text.into(), &mut no_files, &Overrides::default(), library::founders());
    file.unwrap_or_else(|error| panic!("{error:?}"))
}

fn made(text: &str, db: &Path) {
    let mut live = workplace().open_or_found(parsed(text), db).expect("a world");
    let goal = live.goal().expect("a goal");
    live.run_to_end(goal, &Stop::default(), |_, _| ()).expect("it runs");
    live.sequencer.commit().expect("it is on disk");
}

/// A world as a server has it: its states are read once.
struct Served {
    journal: Journal,
    now: (World, Past),
    then: BTreeMap<u64, (World, Past)>,
}

impl Served {
    fn of(db: &Path) -> Self {
        let journal = Journal::open_read_only(db).expect("a journal");
        let world = state(&journal).expect("a state");
        let past = Past::read(&journal, &world, |_| ()).expect("a past");
        Self { journal, now: (world, past), then: BTreeMap::new() }
    }

    /// The page at an address, for the observer or a principal.
    fn page(&mut self, address: &str, seat: Option<&str>) -> Result<String, Unshown> {
        let (path, query) = address.split_once('?').unwrap_or((address, ""));
        let Asked { page, at } = Page::parse(path, query)?;
        if let Some(at) = at {
            let seq = at
                .seq(&self.journal)
                .expect("it is read")
                .map_err(|refusal| Unshown::NotFound(refusal.message))?;
            if let std::collections::btree_map::Entry::Vacant(room) = self.then.entry(seq) {
                let world = state_at(&self.journal, seq).expect("a state");
                let past = Past::read(&self.journal, &world, |_| ()).expect("a past");
                room.insert((world, past));
            }
            let (world, past) = &self.then[&seq];
            return self.shown(&page, (world, past), Some(at), seat);
        }
        self.shown(&page, (&self.now.0, &self.now.1), None, seat)
    }

    fn shown(
        &self,
        page: &Page,
        (world, past): (&World, &Past),
        at: Option<When>,
        seat: Option<&str>,
    ) -> Result<String, Unshown> {
        let viewer = seat.map_or(Viewer::Observer, |seat| Viewer::Artifact(world.lookup(seat)));
        let pulse =
            at.is_none().then_some(Pulse { is_paused: false, behind: None, steps_per_second: Some(12.0) });
        let moment = Moment {
            world,
            past,
            whole: at.map(|_| &self.now.1),
            journal: &self.journal,
            viewer,
            links: &Links::Served {
                root: String::new(),
                at,
                named: Named::file("w.oikos".into()),
                has_list: false,
            },
            beside: None,
            kin: &[],
            pulse,
            verdicts: &[],
            hands: Hands::None,
            scripts: &["/live.js"],
        };
        Ok(render(&moment, page)?.into_string())
    }
}

/// Every address that a page leads to.
fn links(page: &str) -> BTreeSet<String> {
    let links = page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    links
        .filter(|link| link.starts_with('/') && !["/style.css", "/icon.svg"].contains(link))
        .map(|link| link.replace("&amp;", "&"))
        .collect()
}

/// The most pages of a crawl: the past has many moments.
const PAGES_MAX: usize = 300;

/// All pages that can be reached, by address, the nearest first.
fn reached(served: &mut Served, seat: Option<&str>, begin: &[&str]) -> BTreeMap<String, String> {
    let mut pages = BTreeMap::new();
    let mut left: VecDeque<String> = begin.iter().map(|address| (*address).to_owned()).collect();
    while let Some(address) = left.pop_front() {
        if pages.contains_key(&address) || pages.len() > PAGES_MAX {
            continue;
        }
        let page = served.page(&address, seat).unwrap_or_else(|error| panic!("{address}: {error}"));
        left.extend(links(&page));
        pages.insert(address, page);
    }
    pages
}

#[test]
fn every_link_leads_to_a_page() {
    let folder = tempfile::tempdir().expect("a folder");
    let db = folder.path().join("w.oikos");
    made(WORLD, &db);
    let mut served = Served::of(&db);
    let pages = reached(&mut served, None, &["/", "/compare"]);
    // Each route is reached, at the end and in the past.
    for route in ROUTES {
        let begins = route.path.split('{').next().expect("a path");
        let is_whole = !route.path.contains('{');
        for (when, is_past) in [("now", false), ("in the past", true)] {
            let found = pages.keys().any(|address| {
                let path = address.split('?').next().unwrap_or_default();
                let fits = if is_whole { path == begins } else { path.starts_with(begins) && path != begins };
                fits && (address.contains("at=") == is_past || route.path == "/compare")
            });
            assert!(found, "{} is not reached {when}", route.path);
        }
    }
    for (address, page) in &pages {
        // The only script is the server's own, and nothing has a style of its own.
        assert_eq!(page.matches("<script").count(), 1, "{address}");
        assert!(!page.contains(" style=") && !page.contains("<style"), "{address}");
        assert!(page.contains("<bdi>two</bdi>"), "{address}");
        assert_eq!(page.contains("This is the past"), address.contains("at="), "{address}");
    }
    let all: String = pages.values().map(String::as_str).collect();
    for secret in SECRETS {
        assert!(all.contains(secret), "an observer does not see {secret}");
    }
}

#[test]
fn a_seat_sees_no_secrets_of_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let db = folder.path().join("w.oikos");
    made(WORLD, &db);
    let mut served = Served::of(&db);
    let typed = ["/", "/artifacts/ann", "/artifacts/tool", "/artifacts/ann_memory", "/events/2", "/cost"];
    let pages = reached(&mut served, Some("bob"), &typed);
    for (address, page) in &pages {
        for secret in SECRETS {
            assert!(!page.contains(secret), "{address} shows {secret}");
        }
    }
    let all: String = pages.values().map(String::as_str).collect();
    assert!(all.contains("THOUGHT-OF-BOB"), "it does not see its own thoughts");
    // Texts of others are no page either, and filters find nothing in them.
    for part in ["content", "code", "storage"] {
        let error =
            served.page(&format!("/artifacts/ann?part={part}"), Some("bob")).expect_err("it is hidden");
        assert!(matches!(error, Unshown::Hidden(_)), "{error}");
    }
    for secret in SECRETS {
        let found = served.page(&format!("/events?text={secret}"), Some("bob")).expect("a page");
        assert!(!found.contains("class=\"seq\""), "{secret} is found");
    }
    // Observers find them.
    let found = served.page("/events?text=THOUGHT-OF-ANN", None).expect("a page");
    assert!(found.contains("class=\"seq\""));
}

#[test]
fn private_balances_are_seen_by_their_own_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let db = folder.path().join("w.oikos");
    let text = WORLD.replace("[world]", "[privacy]\nbalances = \"own\"\n[world]");
    made(&text, &db);
    let mut served = Served::of(&db);
    let of_ann = served.now.0.scrip(served.now.0.lookup("ann").expect("ann")).to_string();
    for address in ["/", "/agents", "/agents/ann", "/ledger", "/market", "/events"] {
        let theirs = served.page(address, Some("bob")).expect("a page");
        assert!(!theirs.contains(&format!(">{of_ann}<")), "{address} shows that ann has {of_ann}");
    }
    let own = served.page("/agents/ann", Some("ann")).expect("a page");
    assert!(own.contains(&format!(">{of_ann}<")));
}

#[test]
fn what_is_not_there_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let db = folder.path().join("w.oikos");
    made(WORLD, &db);
    let mut served = Served::of(&db);
    for (address, problem) in [
        ("/agents/nobody", "there never was an artifact `nobody`"),
        ("/agents/tool", "`tool` is no agent"),
        ("/artifacts/tool?part=storage", "`tool` has no storage"),
        ("/events/999999", "there is no record 999999; the last one is"),
        ("/events/0", "there is no record 0"),
        ("/ledger?resource=gold", "there is no resource `gold`; there are scrip, cpu, memory, disk"),
        ("/?at=tick:9", "there is no tick 9"),
        ("/agents/late?at=1", "there never was an artifact `late` up to record 1"),
    ] {
        let error = served.page(address, None).expect_err("it is not there").to_string();
        assert!(error.contains(problem), "{address}: {error}");
    }
    // A place beyond the end of a list is an empty list.
    assert!(served.page("/agents?from=100000", None).is_ok());
    assert!(served.page("/artifacts/tool?part=code&from=99999999", None).is_ok());
    assert!(served.page("/events?before=1", None).is_ok());
}

/// A world whose series is taken while it runs, and at the end of each run, in place of what was taken there before.
const MEASURED: &str = r#"
[world]
name = "w"
[execution]
ticks = 9
tick_duration = "1m"
[measures]
every = "2m"
most = "max(scrip)"
none = "max(content.skill)"
gifts = "count(event.transfer)"
[[agents]]
id = "a"
scrip = 9
code = "def step(observation): return {'op': 'transfer', 'to': 'b', 'amount': 1}"
[[agents]]
id = "b"
code = "def step(observation): return None"
"#;

#[test]
fn a_past_that_goes_on_shows_the_pages_of_one_that_is_read_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    let db = folder.path().join("w.oikos");
    let workplace = workplace();
    let mut live = workplace.open_or_found(parsed(MEASURED), &db).expect("a world");
    live.sequencer.commit().expect("it is on disk");
    let (_, mut past) = Served::of(&db).now;
    for ticks in [1, 1, 2, 3, 6, 7, 9] {
        live.run_to_end(Goal::Ticks(ticks), &Stop::default(), |_, _| ()).expect("it runs");
        live.sequencer.commit().expect("it is on disk");
        let mut anew = Served::of(&db);
        past.go_on(&anew.journal, &anew.now.0, |_| ()).expect("it goes on");
        for address in ["/", "/ledger", "/cost"] {
            let whole = anew.page(address, None).expect("a page");
            let page = Page::parse(address, "").expect("an address").page;
            let gone_on = anew.shown(&page, (&anew.now.0, &past), None, None).expect("a page");
            assert_eq!(gone_on, whole, "{address} after {ticks} ticks");
        }
    }
}
