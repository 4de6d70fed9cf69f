//! Events of a world to a stream of NATS, for many readers. The journal stays the truth: only records that are on disk
//! are told, and all that a stream does not have is read from the journal. A NATS server that is away holds up nothing.

use std::{
    collections::{BTreeSet, VecDeque},
    fmt::Write as _,
    future::IntoFuture as _,
    path::Path,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_nats::jetstream::{
    context::PublishAckFuture,
    message::{PublishMessage, StreamMessage},
    stream::Stream,
};
use backon::{BackoffBuilder as _, ExponentialBuilder};
use oikos_runner::{
    Address, Come, Cursor, FeedLine, Filtered, News, Trouble, kernel::world::wire::Viewer, lines_of,
};
use serde_json::Value;
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::{
    door::Door,
    feeds::{AGAIN, Open, come},
    nats::{Entered, LOST, Nats},
    problem::Problem,
};

/// The stream that is made where none takes the subjects, and all that it takes.
const STREAM: &str = "oikos";
const ALL: &str = "oikos.>";
/// The id of a message, by which a stream takes none twice.
const ID: &str = "Nats-Msg-Id";
/// The hash of the first row of the world, by which one is told from another of its name.
const WORLD: &str = "Oikos-World";
/// The place in the stream up to which nothing of the world is left out before a message.
const WHOLE_TO: &str = "Oikos-Whole-To";
/// Messages, and bytes of them, that are under way at most.
const UNDER_WAY_MAX: usize = 512;
const BYTES_UNDER_WAY_MAX: usize = 4 << 20;
/// Bytes of a message beside its line.
const HEAD_BYTES_MAX: usize = 4 << 10;
/// Bytes of that hash.
const FOUNDING_BYTES: usize = 16;
/// How long the last events may take to be told when the door closes.
const ENDS_WITHIN: Duration = Duration::from_secs(2);
/// How long one waits before a server is tried again.
const AGAIN_MIN: Duration = Duration::from_millis(200);
const AGAIN_MAX: Duration = Duration::from_secs(5);

/// How far events are told, where they are.
#[derive(Debug, Default)]
pub(crate) struct Published(OnceLock<AtomicU64>);

impl Published {
    /// The last record all of whose lines are in the stream; `None` where there is none.
    pub(crate) fn seq(&self) -> Option<u64> {
        Some(self.0.get()?.load(Ordering::Relaxed))
    }

    fn reach(&self, seq: u64) {
        self.0.get_or_init(AtomicU64::default).store(seq, Ordering::Relaxed);
    }
}

/// Subjects and ids of a world.
#[derive(Clone, Debug)]
struct Names {
    /// Its name as a part of a subject.
    world: String,
}

impl Names {
    fn of(world: &str) -> Self {
        Self { world: token(world) }
    }

    /// All subjects of the world.
    fn all(&self) -> String {
        format!("oikos.{}.>", self.world)
    }

    /// `oikos.WORLD.TYPE.ACTOR`; nobody is `-`.
    fn subject(&self, line: &Value) -> String {
        let text = |name: &str| line.get(name).and_then(Value::as_str).map_or_else(|| "-".into(), token);
        format!("oikos.{}.{}.{}", self.world, text("type"), text("actor"))
    }

    /// `WORLD.SEQ.PLACE`.
    fn id(&self, id: Cursor) -> String {
        format!("{}.{id}", self.world)
    }

    /// The place that an id tells, if it is one of this world.
    fn place(&self, id: &str) -> Option<Cursor> {
        let place: Cursor = id.strip_prefix(&self.world)?.strip_prefix('.')?.parse().ok()?;
        (place.lines != u32::MAX).then_some(place)
    }
}

/// A word as a part of a subject, which is parted by dots: other letters than a few stand as `%2E`.
fn token(word: &str) -> String {
    let mut token = String::new();
    for byte in word.bytes() {
        let is_plain = byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        // The word for nobody is that of nobody else.
        if is_plain && word != "-" {
            token.push(char::from(byte));
        } else {
            // A string takes whatever is written.
            let _ = write!(token, "%{byte:02X}");
        }
    }
    token
}

/// The name of a world among others of a stream: that of its file, or that in its database.
fn name_of(at: &Address) -> String {
    match at {
        Address::File(path) => {
            let stem = path.file_stem().unwrap_or(path.as_os_str());
            Path::new(stem).display().to_string()
        }
        Address::Postgres(world) => world.world.clone(),
    }
}

/// A line as a message has it. One that is larger than messages may be tells only the record in which it stands.
fn payload(line: &Value, bytes_max: usize) -> String {
    let whole = line.to_string();
    if whole.len() + HEAD_BYTES_MAX <= bytes_max {
        return whole;
    }
    let kept = ["seq", "time", "type", "actor"].into_iter().filter_map(|name| {
        let value = line.get(name)?;
        Some((name.to_owned(), value.clone()))
    });
    let bytes = ("bytes_left_out".to_owned(), whole.len().into());
    Value::Object(kept.chain([bytes]).collect()).to_string()
}

/// A line that is to be told.
struct Message {
    id: Cursor,
    subject: String,
    text: String,
}

/// All that is to be told of some records.
fn messages(come: &Come, names: &Names, bytes_max: usize) -> Vec<Message> {
    let lines = come.records.iter().flat_map(|record| lines_of(&come.world, record, Viewer::Observer));
    let wanted = Filtered::default();
    let told = lines.filter(|told| wanted.fits(&told.line)).map(|FeedLine { id, line }| Message {
        id,
        subject: names.subject(&line),
        text: payload(&line, bytes_max),
    });
    told.collect()
}

/// The lines of the world that a stream has.
#[derive(Debug, Default)]
struct Told {
    /// Nothing is left out up to this line, which stands at this place of the stream.
    whole: Option<(Cursor, u64)>,
    /// Lines after it that are there. Where one between them was not taken, it comes after them.
    there: BTreeSet<Cursor>,
    /// The last of these.
    last: Option<Cursor>,
}

/// A stream that is told of all events, until the door closes.
#[derive(Debug)]
pub(crate) struct Publishing(JoinHandle<()>);

impl Publishing {
    /// Begins to tell a stream, where tasks can be begun.
    pub(crate) fn begin(door: &Arc<Door>, nats: Nats, tell: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(tokio::spawn(run(Arc::clone(door), nats, tell)))
    }

    /// Waits until the last events are told of a door that closes, and no longer than is worth it.
    pub(crate) async fn end(self) {
        // The next who publishes goes on where the stream ends.
        drop(timeout(ENDS_WITHIN, self.0).await);
    }
}

/// Tells a stream of all events, until the door closes; each problem is told once, and its end.
async fn run(door: Arc<Door>, nats: Nats, tell: impl Fn(&str) + Send + Sync + 'static) {
    let Some(at) = door.front.address() else { return };
    let mut publisher = Publisher {
        names: Names::of(&name_of(at)),
        closing: door.closing.subscribe(),
        on_disk: door.on_disk.clone(),
        door,
        nats,
        founding: String::new(),
        whole: None,
        passed: None,
        trouble: Trouble::default(),
        tell: Box::new(tell),
    };
    publisher.door.published.reach(0);
    let delays = || {
        let delays = ExponentialBuilder::default().with_min_delay(AGAIN_MIN).with_max_delay(AGAIN_MAX);
        delays.without_max_times().build()
    };
    let (mut waits, mut was_lost) = (delays(), false);
    loop {
        let before = publisher.whole;
        let Err(problem) = publisher.session().await else { return };
        if publisher.whole != before {
            (waits, was_lost) = (delays(), false);
        }
        // A server that is back at once is not worth a word, nor is the same said twice.
        let is_lost = problem == LOST;
        if !is_lost || was_lost {
            let problem = format!("events can't be published to {}: {problem}", publisher.nats);
            let news = publisher.trouble.problem(problem);
            publisher.tell_news(news);
        }
        was_lost = is_lost;
        let wait = waits.next().unwrap_or(AGAIN_MAX);
        tokio::select! {
            () = sleep(wait) => {}
            _ = publisher.closing.wait_for(|is_closing| *is_closing) => return,
        }
    }
}

struct Publisher {
    door: Arc<Door>,
    nats: Nats,
    names: Names,
    closing: watch::Receiver<bool>,
    on_disk: watch::Receiver<u64>,
    founding: String,
    /// The last line of which is known that it is there, with all before it, and its place in the stream.
    whole: Option<(Cursor, u64)>,
    /// Lines up to this one stand in the stream in another order than in the journal, or may.
    passed: Option<Cursor>,
    /// The problem that was told last, until one is past it.
    trouble: Trouble,
    tell: Box<dyn Fn(&str) + Send + Sync>,
}

/// A message that is under way.
struct UnderWay {
    id: Cursor,
    bytes: usize,
    answer: PublishAckFuture,
}

impl Publisher {
    fn tell_news(&self, news: Option<News>) {
        news.into_iter().for_each(|news| (self.tell)(&news.to_string()));
    }

    /// Tells all that comes on one connection, until the door closes and all is told.
    async fn session(&mut self) -> Result<(), String> {
        let entered = self.nats.enter().await?;
        let stream = entered.stream(&self.names.all(), STREAM, ALL).await?;
        self.founding = self.founding().await?;
        let mut told = self.told(&entered, &stream).await?;
        (self.whole, self.passed) = (told.whole, told.last);
        let after = told.whole.map_or(Cursor::after(0), |(id, _)| id);
        // The record of that line may have more.
        let mut seen = after.seq.saturating_sub(u64::from(after.lines != u32::MAX));
        self.door.published.reach(seen);
        let bytes_max = entered.message_bytes_max();
        let (mut tail, mut under_way): (Option<Open>, VecDeque<UnderWay>) = (None, VecDeque::new());
        loop {
            let is_closing = *self.closing.borrow_and_update();
            let until = *self.on_disk.borrow_and_update();
            if seen >= until {
                self.settle(&entered, &mut under_way, 0, 0).await?;
                self.door.published.reach(seen);
                let news = self
                    .trouble
                    .over(|| format!("events are published to {} up to record {seen}", self.nats));
                self.tell_news(news);
                if is_closing {
                    return Ok(());
                }
                tokio::select! {
                    changed = self.on_disk.changed() => if changed.is_err() { return Ok(()) },
                    _ = self.closing.changed() => {}
                }
                continue;
            }
            let (begun, names) = (tail.take(), self.names.clone());
            let read = self.door.look(move |reader| {
                let (tail, come) = come(reader, begun, seen);
                Ok::<_, Problem>((tail, come.map(|come| messages(&come, &names, bytes_max))))
            });
            let Ok((Some(read), Some(messages))) = read.await else {
                // There are too many looks, or the journal can't be read now, or not yet.
                sleep(AGAIN).await;
                continue;
            };
            seen = read.seq();
            tail = Some(read);
            for message in messages {
                if message.id <= after || told.there.remove(&message.id) {
                    continue;
                }
                self.settle(&entered, &mut under_way, UNDER_WAY_MAX - 1, BYTES_UNDER_WAY_MAX).await?;
                under_way.push_back(self.send(&entered, message).await?);
            }
        }
    }

    /// The hash of the world's first row.
    async fn founding(&self) -> Result<String, String> {
        let read = self.door.look(|reader| {
            let journal =
                reader.journal().map_err(|fault| Problem::fault(&fault))?.map_err(Problem::refused)?;
            Ok(journal.row_hash(1).ok())
        });
        let hash = read.await.ok().flatten().ok_or("the journal can't be read now")?;
        Ok(hash.iter().take(FOUNDING_BYTES).fold(String::new(), |text, byte| format!("{text}{byte:02x}")))
    }

    async fn send(&self, entered: &Entered, message: Message) -> Result<UnderWay, String> {
        let Message { id, subject, text } = message;
        let bytes = text.len();
        let whole_to = self.whole.map_or(0, |(_, place)| place).to_string();
        let message = PublishMessage::build()
            .payload(text.into())
            .message_id(self.names.id(id))
            .header(WORLD, self.founding.as_str())
            .header(WHOLE_TO, whole_to.as_str());
        let answer = entered.context.send_publish(subject, message).await;
        answer.map(|answer| UnderWay { id, bytes, answer }).map_err(|error| entered.untaken(&error))
    }

    /// Waits until few enough messages are under way, and bytes of them.
    async fn settle(
        &mut self,
        entered: &Entered,
        under_way: &mut VecDeque<UnderWay>,
        most: usize,
        bytes_max: usize,
    ) -> Result<(), String> {
        let mut bytes: usize = under_way.iter().map(|message| message.bytes).sum();
        while under_way.len() > most || bytes > bytes_max {
            let Some(UnderWay { id, bytes: its_own, answer }) = under_way.pop_front() else { break };
            bytes -= its_own;
            let answer = answer.into_future().await.map_err(|error| entered.untaken(&error))?;
            if self.passed.is_none_or(|passed| passed < id) {
                self.whole = Some((id, answer.sequence));
            }
            self.door.published.reach(id.seq.saturating_sub(1));
        }
        Ok(())
    }

    /// Finds out how far a stream has the world: its last message says up to which nothing was left out before it.
    async fn told(&mut self, entered: &Entered, stream: &Stream) -> Result<Told, String> {
        let all = self.names.all();
        let Some(last) = entered.last(stream, &all).await? else {
            // A stream that has let go of all that it had is not told again; one that is new is.
            let state = stream.get_info().await.map_err(|error| entered.untaken(&error))?.state;
            let whole = self.whole.filter(|(_, place)| *place <= state.last_sequence);
            return Ok(Told { whole, ..Told::default() });
        };
        self.check(&last, &stream.cached_info().config.name).await?;
        let whole_to = last.headers.get(WHOLE_TO).and_then(|place| place.as_str().parse().ok());
        let mut place: u64 = whole_to.unwrap_or(last.sequence);
        let mut told = Told::default();
        let mut is_first = place > 0;
        while place <= last.sequence {
            let Some(message) = entered.next(stream, &all, place.max(1)).await? else { break };
            let id = self.id(&message)?;
            // A stream may have let go of the very one, and then of all before it.
            if std::mem::take(&mut is_first) {
                told.whole = Some((id, message.sequence));
            } else {
                told.there.insert(id);
                told.last = told.last.max(Some(id));
            }
            place = message.sequence + 1;
        }
        Ok(told)
    }

    fn id(&self, message: &StreamMessage) -> Result<Cursor, String> {
        let id = message.headers.get(ID).and_then(|id| self.names.place(id.as_str()));
        id.ok_or_else(|| {
            format!(
                "its message {} of {} is by somebody else, as its {ID} shows: let nobody else publish below {}",
                message.sequence,
                message.subject,
                self.names.all()
            )
        })
    }

    /// Looks whether a message is of this world, and not of another that had its name.
    async fn check(&self, last: &StreamMessage, stream: &str) -> Result<(), String> {
        let id = self.id(last)?;
        let another = || {
            format!(
                "it has events of another world of this name, up to {id}: `nats stream purge {stream} --subject='{}'` \
                 lets go of them",
                self.names.all()
            )
        };
        let founding = last.headers.get(WORLD).map(|hash| hash.as_str());
        if *self.on_disk.borrow() < id.seq || founding != Some(&self.founding) {
            return Err(another());
        }
        let before = Cursor { seq: id.seq, lines: id.lines.saturating_sub(1) };
        loop {
            let read = self
                .door
                .look(move |reader| {
                    let read = reader.lines(Viewer::Observer, &Filtered::default(), before, 1);
                    read.map_err(|fault| Problem::fault(&fault))?.map_err(Problem::refused)
                })
                .await;
            let (next, line) = read.map_or((before, None), |feed| (feed.next, feed.lines.into_iter().next()));
            let Some(FeedLine { id: found, line }) = line else {
                if next >= id {
                    return Err(another());
                }
                if *self.closing.borrow() {
                    return Err("the world is served no more".into());
                }
                // Readers have no world yet that knows the names of the last records.
                sleep(AGAIN).await;
                continue;
            };
            let is_same = serde_json::from_slice::<Value>(&last.payload).is_ok_and(|told| {
                told == line || told == serde_json::from_str::<Value>(&payload(&line, 0)).unwrap_or_default()
            });
            return if found == id && is_same { Ok(()) } else { Err(another()) };
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_subject_has_one_part_for_each_word() {
        for (world, line, subject) in [
            ("bazaar", json!({ "type": "transfer", "actor": "alice" }), "oikos.bazaar.transfer.alice"),
            ("a.b-c_1", json!({ "type": "tick" }), "oikos.a%2Eb-c_1.tick.-"),
            ("w", json!({ "type": "print", "actor": "-" }), "oikos.w.print.%2D"),
            ("w", json!({ "type": "print", "actor": "a*b>c d%é" }), "oikos.w.print.a%2Ab%3Ec%20d%25%C3%A9"),
            ("w", json!({ "type": "print", "actor": null }), "oikos.w.print.-"),
        ] {
            assert_eq!(Names::of(world).subject(&line), subject);
        }
        assert_eq!(Names::of("a.b").all(), "oikos.a%2Eb.>");
        assert_eq!(name_of(&Address::File("/worlds/a.b.oikos".into())), "a.b");
    }

    #[test]
    fn an_id_tells_the_place_of_its_line() {
        let names = Names::of("a.b");
        for (seq, place) in [(1, 0), (17, 3), (u64::MAX, 0)] {
            let id = Cursor { seq, lines: place + 1 };
            let text = names.id(id);
            assert_eq!(text, format!("a%2Eb.{seq}.{place}"));
            assert_eq!(names.place(&text), Some(id));
        }
        for strange in
            ["", "a%2Eb", "a%2Eb.", "a%2Eb.17", "a%2Eb.x.y", "a%2Ebc.1.0", "other.1.0", "a%2Eb.1.0.0"]
        {
            assert_eq!(names.place(strange), None, "{strange}");
        }
    }

    #[test]
    fn a_line_that_is_too_large_tells_where_it_stands() {
        let line =
            json!({ "seq": 3, "time": "t", "type": "print", "actor": "alice", "text": "x".repeat(100) });
        assert_eq!(payload(&line, 1 << 20), line.to_string());
        let told = json!({
            "seq": 3, "time": "t", "type": "print", "actor": "alice", "bytes_left_out": line.to_string().len(),
        });
        assert_eq!(payload(&line, HEAD_BYTES_MAX), told.to_string());
    }
}
