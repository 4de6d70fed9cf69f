//! The pages that people read. They are made of the world as the token may see it, by `oikos_views`, which has no
//! script and writes the words of agents as text. Our scripts show a page anew when something has happened, and play
//! the moments of the past; pages do without them.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Response, StatusCode, header},
};
use oikos_runner::{
    Address, Journal, Kin, Look, Motion, Reader, When, Workplace,
    config::ClockKind,
    kernel::{
        refusal::{Code, Refusal},
        world::World,
    },
    kin, quoted,
};
use oikos_views::{
    Asked, Beside, Hands, Links, Markup, Moment, Named, Page, Past, Pulse, Question, Unshown, Verdict,
    Viewer, Wheel, problem, questions, reading, render, style::STYLE,
};

use crate::{
    besides::{Asked as Compared, Besides},
    call::{Answered, Call, HTML, text},
    problem::Problem,
    readings::{Far, Readings},
    tokens::Role,
};

/// The addresses of the scripts: one shows a page anew, one plays the moments of the scrubber.
const LIVE: &str = "/live.js";
const PLAY: &str = "/play.js";
/// The time in which contracts are asked for a page, after the first answer; the rest is left out.
const ASKS_WITHIN: Duration = Duration::from_millis(100);
/// Moments of the past whose pasts are kept, for the next who asks.
const KEPT_MAX: usize = 4;
/// How long a browser waits for the first reading of a past before it is told how far that is.
const READ_WITHIN: Duration = Duration::from_secs(1);
/// Seconds after which a page that tells how far a reading is asks again.
const ASKS_AGAIN: HeaderValue = HeaderValue::from_static("1");
/// The time over which the speed of a run is taken, at least.
const SPEED_OVER: Duration = Duration::from_secs(1);

/// The pasts of a world that were read for pages, so that nobody reads them twice.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    /// The past up to the present. It goes on as the world does.
    present: Mutex<Present>,
    /// Those up to moments that were asked for lately, by their records.
    kept: Mutex<VecDeque<(u64, Arc<Past>)>>,
    /// Whether the past up to the present was read once, and how far that is.
    is_read: AtomicBool,
    far: Far,
    readings: Arc<Readings<Option<When>>>,
    /// Other worlds beside this one.
    besides: Besides,
}

/// The other worlds that a page shows.
#[derive(Debug, Default)]
struct Others {
    kin: Vec<Kin>,
    beside: Option<Arc<Beside>>,
}

#[derive(Debug, Default)]
struct Present {
    past: Option<Past>,
    /// When so many steps were done.
    mark: Option<(Instant, u64)>,
    /// Steps in a second, as they were counted last.
    speed: Option<f64>,
}

/// `GET /style.css`.
pub(crate) async fn stylesheet(_: Call) -> Answered {
    Ok(text(None, "text/css; charset=utf-8", STYLE.into()))
}

/// `GET /live.js`.
pub(crate) async fn script(_: Call) -> Answered {
    Ok(text(None, "text/javascript; charset=utf-8", include_str!("live.js").into()))
}

/// `GET /play.js`.
pub(crate) async fn player(_: Call) -> Answered {
    Ok(text(None, "text/javascript; charset=utf-8", include_str!("play.js").into()))
}

/// `GET /icon.svg`.
pub(crate) async fn icon(_: Call) -> Answered {
    Ok(text(None, "image/svg+xml", include_str!("icon.svg").into()))
}

/// The asker of a page: the token's role, and how the world moves.
struct Asker {
    /// The beginning of every address.
    root: String,
    /// Whether it may see the list of all worlds, where there is one.
    has_list: bool,
    role: Role,
    motion: Motion,
    /// How far a world that is followed is behind.
    behind: Option<Duration>,
    /// The speed of the clock, where that can be set.
    speed: Option<String>,
    /// The key of the next action of a seat.
    key: String,
}

impl Asker {
    fn of(call: &Call) -> Result<Self, Problem> {
        let standing = call.door.helm.standing();
        let is_virtual = call.door.front.clock == ClockKind::Virtual;
        let speed =
            is_virtual.then(|| standing.speed.times().map_or("max".into(), |times| times.to_string()));
        let mut bytes = [0_u8; 16];
        getrandom::fill(&mut bytes).map_err(|_| Problem::not_served())?;
        let key = format!("page-{}", oikos_runner::report::hex(&bytes));
        let behind = standing.follows.map(|follows| follows.behind());
        let (root, role) = (call.door.root.clone(), call.token.role.clone());
        let has_list = call.has_list();
        Ok(Self { root, has_list, role, motion: standing.motion, behind, speed, key })
    }

    /// Where links of its pages lead.
    fn links(&self, at: Option<When>, reader: &Reader) -> Links {
        Links::Served { root: self.root.clone(), at, named: named(reader), has_list: self.has_list }
    }

    /// Its controls, at the present or at a moment of the past.
    fn hands(&self, is_now: bool) -> Hands<'_> {
        let is_running = matches!(self.motion, Motion::Running | Motion::Waiting);
        let wheel = Wheel { is_running, speed: self.speed.as_deref() };
        // Another process steers a world that is followed here, and takes its actions.
        let is_here = is_now && self.behind.is_none();
        match self.role {
            Role::Operator => Hands::Operator(is_here.then_some(wheel)),
            Role::Principal(_) if is_here => Hands::Seat { key: &self.key },
            Role::Principal(_) | Role::Observer => Hands::None,
        }
    }
}

/// Asks contracts what a page shows of them, as long as there is time.
fn verdicts(reader: &Reader, look: &Look, viewer: Viewer, questions: &[Question]) -> Vec<Verdict> {
    // The first answer may have to wait for an interpreter.
    let mut begun: Option<Instant> = None;
    let name = |who| look.world.name(who);
    let mut told = Vec::new();
    for question in questions {
        if begun.is_some_and(|begun| begun.elapsed() > ASKS_WITHIN) {
            break;
        }
        let asked = serde_json::json!({
            "what": "permission", "as": name(question.caller), "action": question.action.word(),
            "target": name(question.target),
        });
        let answer = oikos_runner::request::query(asked, false)
            .and_then(|query| reader.query(look, viewer, query).unwrap_or_else(|_| Err(unanswered())));
        let (allowed, reason, cost) = match answer {
            Ok(answer) => (
                answer.get("allowed").and_then(serde_json::Value::as_bool).unwrap_or(false),
                answer.get("reason").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned(),
                answer.get("cost").and_then(serde_json::Value::as_i64).unwrap_or(0),
            ),
            Err(refusal) => (false, refusal.message, 0),
        };
        told.push(Verdict { question: *question, allowed, reason, cost });
        begun.get_or_insert_with(Instant::now);
    }
    told
}

fn unanswered() -> Refusal {
    Refusal::new(Code::Unsupported, "its code can't be run now")
}

/// Any page.
pub(crate) async fn page(call: Call) -> Answered {
    let asked = match Page::parse(call.uri.path(), call.uri.query().unwrap_or_default()) {
        Ok(asked) => asked,
        Err(unshown) => return Ok(told(&call.door.root, &unshown)),
    };
    let (pages, workplace) = (Arc::clone(&call.door.pages), call.door.workplace.clone());
    let mut unread = unread_of(&call, asked.at).await?;
    if let (Page::Compare(Some(name)), None) = (&asked.page, unread) {
        unread = uncompared_of(&call, (asked.at, name.clone())).await?;
    }
    if let Some((read, of)) = unread {
        let mut response =
            text(None, HTML, reading(&call.door.root, &call.door.front.name, read, of).into_string());
        response.headers_mut().insert(header::REFRESH, ASKS_AGAIN);
        return Ok(response);
    }
    let asker = Asker::of(&call)?;
    let root = call.door.root.clone();
    let looked = call.look(move |reader, look, viewer| {
        let others = pages.others(reader, &workplace, &asked);
        Ok(others.and_then(|others| match asked.at {
            None => pages.present(reader, (look, &others), viewer, &asked, &asker),
            Some(_) => pages.past(reader, (look, &others), viewer, &asked, &asker),
        }))
    });
    let (_, shown) = looked.await?;
    Ok(match shown {
        Ok((seq, markup)) => text(Some(seq), HTML, markup.into_string()),
        Err(unshown) => told(&root, &unshown),
    })
}

/// How far the reading of all that pages of a moment need is, where a browser has waited for it long enough.
async fn unread_of(call: &Call, at: Option<When>) -> Result<Option<(u64, u64)>, Problem> {
    let pages = &call.door.pages;
    if at.is_none() && pages.is_read() {
        return Ok(None);
    }
    let within = is_browser(&call.headers).then_some(READ_WITHIN);
    let read = |far: Arc<Far>| {
        let (door, pages) = (Arc::clone(&call.door), Arc::clone(pages));
        async move {
            door.look_long(move |reader| Ok(pages.read(reader, at, &far).is_ok())).await.unwrap_or(false)
        }
    };
    let Some(far) = pages.readings.within(&at, within, read).await? else { return Ok(None) };
    // A moment of the past needs its own records first, and then those up to the present.
    let (read, of) = far.told();
    Ok(Some(if at.is_some() && (read < of || of == 0) { (read, of) } else { pages.far.told() }))
}

/// How far the comparison of two worlds is, where a browser has waited for it long enough.
async fn uncompared_of(call: &Call, asked: Compared) -> Result<Option<(u64, u64)>, Problem> {
    let pages = &call.door.pages;
    if pages.besides.fresh(&asked).is_some() {
        return Ok(None);
    }
    let within = is_browser(&call.headers).then_some(READ_WITHIN);
    let read = |far: Arc<Far>| {
        let (door, pages, asked) = (Arc::clone(&call.door), Arc::clone(pages), asked.clone());
        async move {
            let compared = move |reader: &Reader, workplace: &Workplace| {
                Ok(pages.beside(reader, workplace, &asked, &far).is_ok())
            };
            let workplace = door.workplace.clone();
            door.look_long(move |reader| compared(reader, &workplace)).await.unwrap_or(false)
        }
    };
    let far = pages.besides.readings.within(&asked, within, read).await?;
    Ok(far.map(|far| far.told()))
}

/// Whether an answer is shown by a browser, which asks for pages by name. Programs, our scripts among them, wait.
pub(crate) fn is_browser(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|kind| {
        let kind = kind.split(';').next().unwrap_or_default();
        kind.trim().eq_ignore_ascii_case("text/html")
    })
}

/// The page that says why another can't be shown.
fn told(root: &str, unshown: &Unshown) -> Response<Body> {
    let (status, title, sentence) = match unshown {
        Unshown::NotFound(sentence) => (StatusCode::NOT_FOUND, "There is no such page", sentence.as_str()),
        Unshown::Misread(sentence) => {
            (StatusCode::BAD_REQUEST, "This address can't be meant", sentence.as_str())
        }
        Unshown::Hidden(sentence) => (StatusCode::FORBIDDEN, "This is not for your token", sentence.as_str()),
        // Those outside learn no more of a fault.
        Unshown::Fault(_) | Unshown::Chart(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "This page can't be made now",
            "The journal of this world can't be read now, or a chart can't be drawn.",
        ),
    };
    let mut response = text(None, HTML, problem(root, title, sentence).into_string());
    *response.status_mut() = status;
    response
}

/// A page that says what came of something, with a way on.
pub(crate) fn page_of(
    root: &str,
    status: StatusCode,
    title: &str,
    sentence: &str,
    on: (&str, &str),
) -> Response<Body> {
    let mut response = text(None, HTML, oikos_views::told(root, title, sentence, on).into_string());
    *response.status_mut() = status;
    response
}

impl Pages {
    /// Whether the past up to the present was read once.
    fn is_read(&self) -> bool {
        self.is_read.load(Ordering::SeqCst)
    }

    /// Reads all that the pages of a moment need; `far` is told how far its own past is.
    fn read(&self, reader: &Reader, at: Option<When>, far: &Far) -> Result<(), Unshown> {
        if let Some(at) = at {
            let look = reader.at(at)?.map_err(|refusal| Unshown::NotFound(refusal.message))?;
            let of = look.world.seq();
            far.tell(0, of);
            self.past_of(reader, &look.world, |read| far.tell(read, of))?;
            far.tell(of, of);
        }
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        let now = reader.now().ok_or_else(unread)?;
        let of = now.world.seq();
        present.go_on(&journal(reader)?, &now.world, |read| self.far.tell(read, of))?;
        self.far.tell(of, of);
        self.is_read.store(true, Ordering::SeqCst);
        Ok(())
    }

    /// The comparison of this world with another, as both were at a moment.
    fn beside(
        &self,
        reader: &Reader,
        workplace: &Workplace,
        asked: &Compared,
        far: &Far,
    ) -> Result<Arc<Beside>, Unshown> {
        let now = reader.now().ok_or_else(unread)?.world.seq();
        let journal = journal(reader)?;
        let seq = match asked.0 {
            None => now,
            Some(at) => at.seq(&journal)?.map_err(|refusal| Unshown::NotFound(refusal.message))?,
        };
        self.besides.of(workplace, (&journal, seq), asked, far)
    }

    /// The other worlds that a page shows. The comparison was made before, unless that failed, which it says here.
    fn others(&self, reader: &Reader, workplace: &Workplace, asked: &Asked) -> Result<Others, Unshown> {
        Ok(match &asked.page {
            Page::Compare(None) => Others { kin: kin(&journal(reader)?)?, beside: None },
            Page::Compare(Some(name)) => {
                let asked = (asked.at, name.clone());
                let beside = match self.besides.fresh(&asked) {
                    Some(beside) => beside,
                    None => self.beside(reader, workplace, &asked, &Far::default())?,
                };
                Others { kin: Vec::new(), beside: Some(beside) }
            }
            _ => Others::default(),
        })
    }

    /// A page of the present, with the record whose state it shows.
    fn present(
        &self,
        reader: &Reader,
        (look, others): (&Look, &Others),
        viewer: Viewer,
        asked: &Asked,
        asker: &Asker,
    ) -> Result<(u64, Markup), Unshown> {
        // Contracts are asked while nobody waits for this one.
        let verdicts = verdicts(reader, look, viewer, &self.questions(reader, look, viewer, &asked.page)?);
        let motion = asker.motion;
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        // Another may have come further while this one waited.
        let look = reader.now().unwrap_or_else(|| look.clone());
        let journal = journal(reader)?;
        present.go_on(&journal, &look.world, |_| ())?;
        let speed = present.speed_at(&look.world, Instant::now());
        let Some(past) = &present.past else { return Err(unread()) };
        let is_paused = motion == Motion::Paused;
        let is_moving = matches!(motion, Motion::Running | Motion::Following);
        let pulse = Pulse { is_paused, behind: asker.behind, steps_per_second: speed.filter(|_| is_moving) };
        let moment = Moment {
            world: &look.world,
            past,
            whole: None,
            journal: &journal,
            viewer,
            links: &asker.links(None, reader),
            beside: others.beside.as_deref(),
            kin: &others.kin,
            pulse: Some(pulse),
            verdicts: &verdicts,
            hands: asker.hands(true),
            scripts: match asked.page {
                Page::World => &[LIVE, PLAY],
                // Two worlds are compared once for all who look; a reader asks for that anew.
                Page::Compare(_) => &[],
                _ => &[LIVE],
            },
        };
        Ok((look.world.seq(), render(&moment, &asked.page)?))
    }

    /// A page of a moment of the past.
    fn past(
        &self,
        reader: &Reader,
        (look, others): (&Look, &Others),
        viewer: Viewer,
        asked: &Asked,
        asker: &Asker,
    ) -> Result<(u64, Markup), Unshown> {
        let past = self.past_of(reader, &look.world, |_| ())?;
        let asks = questions(&look.world, &past, viewer, &asked.page);
        let verdicts = verdicts(reader, look, viewer, &asks);
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        let now = reader.now().ok_or_else(unread)?;
        let journal = journal(reader)?;
        present.go_on(&journal, &now.world, |_| ())?;
        let moment = Moment {
            world: &look.world,
            past: &past,
            whole: present.past.as_ref(),
            journal: &journal,
            viewer,
            links: &asker.links(asked.at, reader),
            beside: others.beside.as_deref(),
            kin: &others.kin,
            pulse: None,
            verdicts: &verdicts,
            hands: asker.hands(false),
            scripts: if asked.page == Page::World { &[PLAY] } else { &[] },
        };
        Ok((look.world.seq(), render(&moment, &asked.page)?))
    }

    /// The questions whose answers a page of the present shows.
    fn questions(
        &self,
        reader: &Reader,
        look: &Look,
        viewer: Viewer,
        page: &Page,
    ) -> Result<Vec<Question>, Unshown> {
        if !matches!(page, Page::Artifact(_)) {
            return Ok(Vec::new());
        }
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        let now = reader.now().unwrap_or_else(|| look.clone());
        present.go_on(&journal(reader)?, &now.world, |_| ())?;
        let Some(past) = &present.past else { return Err(unread()) };
        let mut asks = questions(&now.world, past, viewer, page);
        // Those who came into being meanwhile are not there to be asked about.
        asks.retain(|one| look.world.get(one.caller).is_some());
        Ok(asks)
    }

    fn past_of(&self, reader: &Reader, world: &World, visit: impl FnMut(u64)) -> Result<Arc<Past>, Unshown> {
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, found)) = kept().iter().find(|(seq, _)| *seq == world.seq()) {
            return Ok(Arc::clone(found));
        }
        let past = Arc::new(Past::read(&journal(reader)?, world, visit)?);
        let mut kept = kept();
        kept.truncate(KEPT_MAX - 1);
        kept.push_front((world.seq(), Arc::clone(&past)));
        Ok(past)
    }
}

impl Present {
    /// Reads on to a state of the world. After a fault it is read from the beginning.
    fn go_on(&mut self, journal: &Journal, world: &World, visit: impl FnMut(u64)) -> Result<(), Unshown> {
        self.past = Some(match self.past.take() {
            Some(mut past) => {
                past.go_on(journal, world, visit)?;
                past
            }
            None => Past::read(journal, world, visit)?,
        });
        Ok(())
    }

    /// The steps in a second since a mark that is old enough.
    fn speed_at(&mut self, world: &World, now: Instant) -> Option<f64> {
        let steps: u64 = world.agents().map(|agent| agent.steps).sum();
        let (since, before) = *self.mark.get_or_insert((now, steps));
        let passed = now.saturating_duration_since(since);
        if passed >= SPEED_OVER {
            #[expect(clippy::cast_precision_loss, reason = "a speed is no account: it may be rounded")]
            let done = steps.saturating_sub(before) as f64;
            self.speed = Some(done / passed.as_secs_f64());
            self.mark = Some((now, steps));
        }
        self.speed
    }
}

fn journal(reader: &Reader) -> Result<Journal, Unshown> {
    reader.journal()?.map_err(|refusal| Unshown::NotFound(refusal.message))
}

/// The names of the world, for those outside.
pub(crate) fn named(reader: &Reader) -> Named {
    match reader.address() {
        Some(Address::Postgres(world)) => Named::database(world.world.clone()),
        Some(file @ Address::File(_)) => Named::file(quoted(&file.name())),
        None => Named::file("WORLD".into()),
    }
}

fn unread() -> Unshown {
    Unshown::NotFound("the world is not served now".into())
}
