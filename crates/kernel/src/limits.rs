//! Every limit of the kernel, named once, with its reason.

/// The most of a mind's time to think, in milliseconds: a year. Time has an end, which nobody's thought is to reach.
pub const THINK_MS_MAX: i64 = 366 * 24 * 3_600_000;

/// Characters of an artifact id: long enough for a path of names, short enough to index.
pub const ID_CHARS_MAX: usize = 128;
/// Characters of a method name.
pub const METHOD_CHARS_MAX: usize = 64;
/// Bytes of the JSON of an invocation's arguments: a message, not a data set.
pub const ARGS_BYTES_MAX: usize = 64 * 1024;
/// Bytes of an artifact's content.
pub const CONTENT_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of an artifact's code: a longer expression can overflow the parser's stack.
pub const CODE_BYTES_MAX: usize = 64 * 1024;
/// Bytes of an artifact's interface.
pub const INTERFACE_BYTES_MAX: usize = 64 * 1024;
/// Bytes of the template of an agent's prompts: words around the parts of an observation.
pub const TEMPLATE_BYTES_MAX: usize = 16 * 1024;
/// Bytes of an artifact's metadata.
pub const METADATA_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a storage key.
pub const STORAGE_KEY_BYTES_MAX: usize = 256;
/// Bytes that the storage of a contract grows to by its `state_updates`: a ledger of its own, not a data base, for
/// those who ask make it grow.
pub const STATE_BYTES_MAX: i64 = 64 * 1024;
/// Verdicts that a world keeps of one contract; the oldest goes first. They take no disk, so they are few.
pub const VERDICTS_KEPT_MAX: usize = 64;
/// Verdicts that one action keeps, and contracts whose hits it counts.
pub const VERDICTS_PER_ACTION_MAX: usize = 16;
/// Steps of work of a verdict that is kept: what takes more is asked for each time.
pub const VERDICT_STEPS_MAX: usize = 32;
/// Bytes at most of the facts of a pair, an artifact with its customer and a principal with its counterparty. Nobody's
/// disk bears them: each pair costs somebody an invocation, so a second of CPU makes 800,000 of them at the very most.
pub const FACT_PAIR_BYTES: usize = 64;
/// Bytes that a mandate counts for on its giver's disk: its parties and bounds.
pub const MANDATE_BYTES: i64 = 64;
/// Instants within its window at which a mandate may be used.
pub const MANDATE_USES_MAX: usize = 1_024;
/// Bytes of an entry of a memory: a thought or a page of notes; longer texts are artifacts, which an entry can name.
pub const MEMO_BYTES_MAX: usize = 4 * 1024;
/// Tags of an entry.
pub const MEMO_TAGS_MAX: usize = 16;
/// Characters of a tag.
pub const TAG_CHARS_MAX: usize = 64;
/// The importance of the most important entries; the least is 0.
pub const IMPORTANCE_MAX: i64 = 10;
/// The importance of an entry of which nothing is said.
pub const IMPORTANCE: i64 = 5;
/// Entries of one memory: a recall looks at each.
pub const MEMORY_ENTRIES_MAX: usize = 100_000;
/// Entries that a recall gives where it names no `limit`: as many as are read at a glance.
pub const RECALL_ROWS: usize = 10;
/// The score of a perfect entry, and the most of each of its terms.
pub const SCORE_MAX: u64 = 1_000;
/// The time in which an entry becomes half as recent where a world names no other: an hour.
pub const MEMORY_HALF_LIFE_MS: i64 = 3_600_000;
/// The most tokens of an answer of a language model where its mind names no other: an action, with its reasons.
pub const OUTPUT_TOKENS: i64 = 600;
/// The most that a mind may name: as much as models write at once.
pub const OUTPUT_TOKENS_MAX: i64 = 100_000;
/// Bytes of a prompt that code gives to a language model: as much as most of them read at once.
pub const PROMPT_BYTES_MAX: usize = 256 * 1024;
/// Bytes of the JSON of the schema that an answer is to fit.
pub const SCHEMA_BYTES_MAX: usize = 16 * 1024;
/// Calls of language models in one action: each may take a minute, and the world waits for it.
pub const LLM_CALLS_PER_ACTION_MAX: u32 = 16;
/// The highest temperature that providers know.
pub const TEMPERATURE_MAX: f64 = 2.0;
/// Entries of its memory that are before a language model where its mind names no other number.
pub const RECALL: i64 = 8;
/// The most that a mind may name.
pub const RECALL_MAX: i64 = 100;
/// Bytes of the name of a model, with its provider.
pub const MODEL_BYTES_MAX: usize = 256;
/// The time between the observation of a language model and its act where a world names no other, in milliseconds.
pub const THINK_TIME_MS: i64 = 2_000;
/// Bytes of the reasons of a thought that are kept: as long as a page of text.
pub const THINK_BYTES_MAX: usize = 4 * 1024;
/// Turns of its own that an agent can look back at: a few, for each takes room that nobody's disk pays for.
pub const HISTORY_TURNS_MAX: usize = 16;
/// Resources that are set aside for a thought.
pub const HOLDS_MAX: usize = 16;
/// Bytes of the JSON of one storage value.
pub const STORAGE_VALUE_BYTES_MAX: usize = 64 * 1024;
/// Characters of a client's action id.
pub const ACTION_ID_CHARS_MAX: usize = 128;
/// How many action ids a world remembers of one principal; beyond it that principal's oldest is forgotten.
pub const ACTION_IDS_MAX: usize = 1_024;
/// Bytes of the shortest form of a receipt that is kept for its action id; an action that bears an id needs
/// so much of its principal's disk free.
pub const KEPT_SHORT_BYTES_MAX: usize = 1_024;
/// Bytes that an artifact, a tombstone, an account, a key of storage, a name in `depends_on` and a kept
/// action id count for on somebody's disk beside their words and values: about what a row of a table takes.
pub const BASE_BYTES: usize = 16;
/// How deep invocations nest.
pub const INVOKE_DEPTH_MAX: u32 = 5;
/// How deep permission checks nest.
pub const PERMISSION_DEPTH_MAX: u32 = 10;
/// How long a chain of `depends_on` may be.
pub const DEPENDS_ON_DEPTH_MAX: u32 = 10;
/// How many artifacts one artifact may name in `depends_on`.
pub const DEPENDS_ON_MAX: usize = 64;
/// How many artifacts an invocation may give.
pub const GIVE_MAX: usize = 64;
/// Ops one action may execute, nested ones included.
pub const OPS_PER_ACTION_MAX: u32 = 10_000;
/// Events of one action: a record's events are read together, so they are a page at most.
pub const EVENTS_PER_ACTION_MAX: usize = 10_000;
/// Events one query reads, and more only if one record has them.
pub const EVENTS_PER_QUERY_MAX: usize = 100;
/// Events a world keeps at hand for queries at least, whole records of them, and those since the tick began;
/// older ones are in the journal.
pub const EVENTS_KEPT_MAX: usize = 4_096;
/// Events an observation shows; the number of those left out is told.
pub const EVENTS_PER_OBSERVATION_MAX: usize = 20;
/// Conditions that a sleeper may wait for at once.
pub const SLEEP_CONDITIONS_MAX: usize = 16;
/// Steps in a row that may fail before an agent is paused.
pub const ERRORS_IN_A_ROW_MAX: u8 = 5;
/// How long an agent waits after a step that failed; it doubles with each one more.
pub const ERROR_BACKOFF_MS: i64 = 100;
/// The longest that it waits.
pub const ERROR_BACKOFF_MS_MAX: i64 = 10_000;
/// The first steps of an agent that all had no effect when it is told to be silent.
pub const HEALTH_SILENT_STEPS: u8 = 10;
/// The first ticks, or paces, in which nothing had an effect when the run is told to be silent.
pub const HEALTH_SILENT_TURNS: u32 = 10;
/// How often in a row an agent's actions meet with the same refusal when it is told to repeat it.
pub const HEALTH_REFUSALS: u8 = 5;
/// How often in a row an agent does the same that leaves all as it was when it is told to repeat it: twice as often,
/// for some look whether something is there yet, and some keep a notice up.
pub const HEALTH_REPEATS: u8 = 10;
/// How many of an agent's last 16 actions are refused when most of them are.
pub const HEALTH_REFUSED: u32 = 12;
/// How many of them may be when it is over.
pub const HEALTH_REFUSED_OVER: u32 = 8;
/// Answers in a row that are no actions when an agent's answers are told to be malformed: before it is paused.
pub const HEALTH_MALFORMED: u8 = 3;
/// Ticks, or paces, without the capacity for a step when an agent is told to be starved; and never less than the
/// window of the resource and one turn more, for those who use up their rate wait so long as a matter of course.
pub const HEALTH_STARVED_TURNS: i64 = 20;
/// Agents that one record tells to be starved; the next one tells of others.
pub const HEALTH_STARVED_PER_RECORD: usize = 16;
/// The most that a resource grows back in an interval, in parts per million: a stock that is small doubles, and none
/// grows beyond its cap.
pub const REGROW_RATE_PPM_MAX: u32 = 1_000_000;
/// The largest cap of a resource that grows back: so little that all of them add up.
pub const REGROW_CAP_MAX: i64 = LIBRARY_ALLOTMENT;
/// Artifacts of one world whose stocks of one resource grow back: each is told in a record.
pub const REGROW_HOLDERS_MAX: usize = 1_000;
/// How long the library waits with what was due and failed.
pub const DUE_RETRY_MS: i64 = 60_000;
/// The amount of each resource that an artifact of the library has that acts by itself, where a world names nothing
/// else: more than it ever uses, and little enough that all of them add up.
pub const LIBRARY_ALLOTMENT: i64 = 1_000_000_000_000_000;
/// An agent steps at most once in this time, also when it sleeps: clocks count in it, and an agent
/// that is woken by what it caused would otherwise step without end in one instant.
pub const STEP_MS_MIN: i64 = 1;
/// Rows one query by an agent returns; an observer's has no such limit.
pub const QUERY_ROWS_MAX: usize = 10_000;
/// Depth of JSON that crosses any edge. The reader of the journal's JSON goes 127 deep, and actions
/// and results wrap what crossed an edge a few times.
pub const JSON_DEPTH_MAX: usize = 100;
/// Bytes of the JSON of an action's results together: the largest content with its code and interface, escaped.
pub const RESULT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes of a result that the record, the kept receipt and the agent's own `last` hold whole; of a longer one
/// they hold its size and hash.
pub const RESULT_KEPT_BYTES_MAX: usize = 4 * 1024;
/// Bytes of one record as the journal stores it: what one action may leave behind.
pub const RECORD_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes of an action's JSON text: as much as a line of a session.
pub const ACTION_BYTES_MAX: usize = LINE_BYTES_MAX;
/// Bytes of the events of thinking in a record.
pub const THOUGHT_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of a refusal's sentence: an exception's own words.
pub const MESSAGE_BYTES_MAX: usize = 8 * 1024;
/// Bytes of the traceback beside it.
pub const TRACEBACK_BYTES_MAX: usize = 16 * 1024;
/// Bytes of a refusal's hint.
pub const HINT_BYTES_MAX: usize = 2 * 1024;
/// Bytes of the fields of a record that are always there, of what it tells of the loop that steps, and of
/// the CPU that is charged to code under way when nothing more fits, and of the verdicts that are kept.
pub const RECORD_FRAME_BYTES: usize = 192 * 1024;
/// Bytes of the charges, effects and events of an action in its record: what the longest action, thought,
/// outputs and outcome leave of a record.
pub const EFFECTS_BYTES_MAX: usize = RECORD_BYTES_MAX
    - ACTION_BYTES_MAX
    - THOUGHT_BYTES_MAX
    - THINK_BYTES_MAX
    - 2 * (OUTPUT_BYTES_MAX + OUTPUT_CUT.len())
    - RESULT_KEPT_BYTES_MAX
    - 2 * (MESSAGE_BYTES_MAX + HINT_BYTES_MAX)
    - TRACEBACK_BYTES_MAX
    - RECORD_FRAME_BYTES;
/// Bytes of records that wait for one commit; with the next record they are begun to be written.
pub const PENDING_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes of one batch before compression.
pub const BATCH_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Records of one batch.
pub const BATCH_RECORDS_MAX: usize = 65_536;
/// How many times larger than its packed bytes a batch or a snapshot may be, give or take 16 KiB, so
/// that a small file can't ask for much memory; a writer pads a batch that compresses better.
pub const UNPACKED_PER_PACKED_MAX: usize = 128;
/// Bytes of the name of a runtime of code: a version and a hash.
pub const RUNTIME_BYTES_MAX: usize = 256;
/// Bytes of a file of answers that a fresh world begins with.
pub const TAPE_FILE_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Micro-dollars of a row of such a file, and its tokens: a million dollars, so that no sum of all rows can overflow.
pub const TAPED_COST_MAX: u64 = 1_000_000_000_000;
/// Bytes of a world file: some hundred thousand lines.
pub const WORLD_FILE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes of a world file and the files that it names, together, as JSON: so the database keeps them.
pub const WORLD_FILES_BYTES_MAX: usize = 24 * 1024 * 1024;
/// Agents of a world file, together: some gigabytes when all of them act.
pub const AGENTS_MAX: i64 = 4_000_000;
/// Resources that a world names, those built in among them: each principal has a cell for each.
pub const RESOURCES_MAX: usize = 1_000;
/// Bytes of the parameters of a world as JSON: each run of code that names them is handed a copy.
pub const PARAMETERS_BYTES_MAX: usize = 64 * 1024;
/// Phases of a tick.
pub const PHASES_MAX: usize = 64;
/// Hooks of a world file.
pub const HOOKS_MAX: usize = 1_000;
/// Measures of a world file.
pub const MEASURES_MAX: usize = 1_000;
/// Numbers of each agent that a world file has taken.
pub const AGENT_COLUMNS_MAX: usize = 100;
/// Bytes of one line of a session.
pub const LINE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Fuel of the runtime that one unit of work stands for; a run's fuel counts up to whole units.
pub const FUEL_PER_WORK: u64 = 62_500;
/// CPU of one unit of work where a world names no other, in nanoseconds: about what a unit takes.
pub const CPU_NS_PER_WORK: u64 = 5_000;
/// Units of work one run of code may use where a world names no other number: about a second.
pub const WORK_PER_RUN: u64 = 200_000;
/// Units of work one action may use, with all that it calls, where a world names no other number: about two
/// seconds, and less than three on a slow machine.
pub const WORK_PER_ACTION: u64 = 400_000;
/// Parts of a unit of work, in which the work of the host is counted: about a nanosecond each. The rest of
/// an action's parts, below a unit, is free.
pub const PARTS_PER_WORK: u64 = 4_096;
/// Parts that an op or a host function takes by being called, with values that fill no page.
pub const PARTS_PER_CALL: u64 = 1_024;
/// Bytes of a page: values that go into code or come out of it are counted by whole pages.
pub const PAGE_BYTES: u64 = 4_096;
/// Parts that a row takes which is passed over; a number or a name that is given of it takes as much once more.
pub const PARTS_PER_ROW: u64 = 64;
/// Parts that a row takes which is shown: an event, a resource, an agent.
pub const PARTS_PER_ROW_SHOWN: u64 = 1_024;
/// Parts that the metadata of an artifact takes.
pub const PARTS_PER_METADATA: u64 = 4_096;
/// Parts that a byte takes which is read or converted.
pub const PARTS_PER_BYTE: u64 = 1;
/// Bytes of ASCII that are searched for a part.
pub const BYTES_SEARCHED_PER_PART: u64 = 2;
/// Parts that a byte takes which is searched in a text with other letters.
pub const PARTS_PER_BYTE_SEARCHED: u64 = 4;
/// Parts that a byte takes which is written: it is counted, encoded, packed and hashed.
pub const PARTS_PER_BYTE_WRITTEN: u64 = 4;
/// Parts that a byte of source takes which is compiled, whether it was compiled before or not.
pub const PARTS_PER_SOURCE_BYTE: u64 = 2_048;
/// Parts for a byte of a text whose words are told apart, to be remembered or recalled by: a hash of each word, and
/// words of one letter are half of such a text.
pub const PARTS_PER_BYTE_OF_WORDS: u64 = 96;
/// Memory of one invocation, in bytes.
pub const CODE_MEMORY_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Bytes that one invocation may print or log, and that a record keeps of a thought's output and of an action's.
pub const OUTPUT_BYTES_MAX: usize = 64 * 1024;
/// The mark behind output of which no more is kept.
pub const OUTPUT_CUT: &str = "\n… the rest of the output is not kept\n";
/// Rows of one copy-on-write page.
pub const PAGE_ROWS: usize = 64;

const _: () = {
    assert!(1 <= WORK_PER_RUN && WORK_PER_RUN <= WORK_PER_ACTION);
    assert!(1_000_000_000 / CPU_NS_PER_WORK * PARTS_PER_WORK / PARTS_PER_CALL == 800_000);
    // The longest source can be compiled, and the longest content be written, within one action.
    assert!(CODE_BYTES_MAX as u64 * PARTS_PER_SOURCE_BYTE < WORK_PER_RUN * PARTS_PER_WORK);
    assert!(CONTENT_BYTES_MAX as u64 * PARTS_PER_BYTE_WRITTEN < WORK_PER_RUN * PARTS_PER_WORK);
    assert!(CODE_BYTES_MAX <= CONTENT_BYTES_MAX);
    assert!(STORAGE_VALUE_BYTES_MAX <= CONTENT_BYTES_MAX);
    assert!(OUTPUT_TOKENS <= OUTPUT_TOKENS_MAX && RECALL <= RECALL_MAX);
    assert!(MODEL_BYTES_MAX <= CONTENT_BYTES_MAX);
    assert!(PROMPT_BYTES_MAX <= CONTENT_BYTES_MAX && SCHEMA_BYTES_MAX <= PROMPT_BYTES_MAX);
    assert!(MEMO_BYTES_MAX <= STORAGE_VALUE_BYTES_MAX);
    assert!(IMPORTANCE <= IMPORTANCE_MAX && IMPORTANCE_MAX <= u8::MAX as i64);
    // A recall of the largest memory fits into an action.
    assert!(MEMORY_ENTRIES_MAX as u64 * 2 * PARTS_PER_ROW < WORK_PER_RUN * PARTS_PER_WORK);
    assert!(RECALL_ROWS <= QUERY_ROWS_MAX);
    assert!(CONTENT_BYTES_MAX < LINE_BYTES_MAX);
    assert!(CONTENT_BYTES_MAX <= WORLD_FILES_BYTES_MAX);
    assert!(WORLD_FILES_BYTES_MAX < BATCH_BYTES_MAX);
    assert!(RESOURCES_MAX <= u16::MAX as usize);
    assert!(LINE_BYTES_MAX < RECORD_BYTES_MAX);
    assert!(RESULT_KEPT_BYTES_MAX < RESULT_BYTES_MAX);
    assert!(RESULT_BYTES_MAX < RECORD_BYTES_MAX);
    // One artifact with the longest content, each of its characters escaped by six, fits into an action.
    assert!(
        6 * CONTENT_BYTES_MAX + CODE_BYTES_MAX + INTERFACE_BYTES_MAX + METADATA_BYTES_MAX < EFFECTS_BYTES_MAX
    );
    assert!(KEPT_SHORT_BYTES_MAX < RESULT_KEPT_BYTES_MAX);
    assert!(BASE_BYTES + ACTION_ID_CHARS_MAX + KEPT_SHORT_BYTES_MAX < CONTENT_BYTES_MAX);
    // Every op of an action may pay or charge somebody else.
    assert!(OPS_PER_ACTION_MAX as usize * 1_024 < EFFECTS_BYTES_MAX);
    assert!(PENDING_BYTES_MAX + RECORD_BYTES_MAX <= BATCH_BYTES_MAX);
    assert!(EVENTS_PER_OBSERVATION_MAX <= EVENTS_PER_QUERY_MAX);
    assert!(EVENTS_PER_QUERY_MAX <= EVENTS_KEPT_MAX);
    assert!(EVENTS_PER_QUERY_MAX <= EVENTS_PER_ACTION_MAX);
    assert!(EVENTS_PER_ACTION_MAX <= QUERY_ROWS_MAX);
    assert!(INVOKE_DEPTH_MAX <= PERMISSION_DEPTH_MAX);
    assert!(ID_CHARS_MAX <= STORAGE_KEY_BYTES_MAX);
};
