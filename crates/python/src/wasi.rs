//! WASI preview 1 as far as a boot needs it: a file system in memory that holds the standard library and can only be
//! read, and an environment that is the same everywhere.

use std::collections::BTreeMap;

use wasmtime::{Caller, Extern, Linker, Memory};

use crate::cards;

/// The errors of WASI that are answered.
pub(crate) const BAD_FD: i32 = 8;
const IS_DIR: i32 = 31;
const INVALID: i32 = 28;
pub(crate) const NO_ENTRY: i32 = 44;
const NOT_SEEKABLE: i32 = 70;
const UNSUPPORTED: i32 = 52;

const PREVIEW_1: &str = "wasi_snapshot_preview1";
/// The folder of the standard library.
const HOME: &str = "lib/python3.14";
const ENVIRONMENT: &[&str] = &[
    "PYTHONHASHSEED=0",
    "PYTHONHOME=/usr",
    "PYTHONPATH=/lib/python3.14",
    "PYTHONDONTWRITEBYTECODE=1",
    "PYTHONUTF8=1",
    "LC_ALL=C.UTF-8",
];
/// The clock during the boot.
const BOOT_NS: u64 = 1_700_000_000_000_000_000;
/// The first descriptor that is no standard stream: the root of the file system.
const ROOT_FD: i32 = 3;

/// An entry of the file system.
enum Node {
    File(Vec<u8>),
    /// The names in a folder, and whether each is a folder.
    Folder(BTreeMap<String, bool>),
}

/// An open file or folder.
struct Open {
    path: String,
    at: usize,
}

/// The host of a boot.
pub(crate) struct Host {
    nodes: BTreeMap<String, Node>,
    open: BTreeMap<i32, Open>,
    next_fd: i32,
    /// All that was printed, for the report of a failure.
    pub(crate) printed: Vec<u8>,
    /// The last bytes that the guest called with.
    pub(crate) called: Vec<u8>,
}

impl Written for Host {
    /// A boot is never put back.
    fn cards(&self) -> Option<Memory> {
        None
    }
}

impl Host {
    pub(crate) fn new(library: BTreeMap<String, Vec<u8>>) -> Self {
        let mut nodes = BTreeMap::new();
        nodes.insert(String::new(), Node::Folder(BTreeMap::new()));
        for (path, text) in library {
            insert(&mut nodes, format!("{HOME}/{path}"), text);
        }
        let root = Open { path: String::new(), at: 0 };
        let open = BTreeMap::from([(ROOT_FD, root)]);
        Self { nodes, open, next_fd: ROOT_FD + 1, printed: Vec::new(), called: Vec::new() }
    }

    fn resolve(&self, fd: i32, path: &str) -> Option<String> {
        let base = if path.starts_with('/') { "" } else { self.open.get(&fd)?.path.as_str() };
        let mut parts: Vec<&str> = Vec::new();
        for part in base.split('/').chain(path.split('/')) {
            match part {
                "" | "." => {}
                ".." => {
                    parts.pop();
                }
                name => parts.push(name),
            }
        }
        Some(parts.join("/"))
    }

    /// The record `filestat` of a path.
    fn stat(&self, path: &str) -> Option<Vec<u8>> {
        let (kind, size) = match self.nodes.get(path)? {
            Node::File(text) => (4_u8, text.len() as u64),
            Node::Folder(_) => (3, 0),
        };
        let inode = self.nodes.range(..path.to_owned()).count() as u64 + 1;
        Some(filestat(inode, kind, size))
    }
}

/// Puts a file in, with the folders above it.
fn insert(nodes: &mut BTreeMap<String, Node>, path: String, text: Vec<u8>) {
    let (mut below, mut folder) = (path.as_str(), false);
    loop {
        let (above, name) = below.rsplit_once('/').unwrap_or(("", below));
        let node = nodes.entry(above.to_owned()).or_insert_with(|| Node::Folder(BTreeMap::new()));
        if let Node::Folder(names) = node {
            names.insert(name.to_owned(), folder);
        }
        if above.is_empty() {
            break;
        }
        (below, folder) = (above, true);
    }
    nodes.insert(path, Node::File(text));
}

fn filestat(inode: u64, kind: u8, size: u64) -> Vec<u8> {
    let mut record = Vec::with_capacity(64);
    record.extend(1_u64.to_le_bytes());
    record.extend(inode.to_le_bytes());
    record.extend([kind, 0, 0, 0, 0, 0, 0, 0]);
    record.extend(1_u64.to_le_bytes());
    record.extend(size.to_le_bytes());
    for _ in 0..3 {
        record.extend(1_000_000_000_u64.to_le_bytes());
    }
    record
}

fn fdstat(kind: u8) -> Vec<u8> {
    let mut record = vec![kind, 0, 0, 0, 0, 0, 0, 0];
    record.extend(u32::MAX.to_le_bytes());
    record.extend([0; 4]);
    record.extend(u32::MAX.to_le_bytes());
    record.extend([0; 4]);
    record
}

/// The guest's memory, as a function of the host sees it. Every access is checked.
pub(crate) struct Guest<'c, 'h, T: 'static> {
    caller: &'c mut Caller<'h, T>,
    memory: Memory,
}

/// The errno of an answer; `Err` is one as well.
type Errno = Result<i32, i32>;

/// A host that may have to mark what it writes.
pub(crate) trait Written {
    /// The memory of the cards, where writes are marked.
    fn cards(&self) -> Option<Memory>;
}

impl<'c, 'h, T: Written> Guest<'c, 'h, T> {
    pub(crate) fn new(caller: &'c mut Caller<'h, T>) -> Result<Self, i32> {
        match caller.get_export("memory") {
            Some(Extern::Memory(memory)) => Ok(Self { caller, memory }),
            _ => Err(INVALID),
        }
    }

    pub(crate) fn host(&mut self) -> &mut T {
        self.caller.data_mut()
    }

    pub(crate) fn read(&self, at: i32, length: usize) -> Result<&[u8], i32> {
        let from = at.cast_unsigned() as usize;
        let to = from.checked_add(length).ok_or(INVALID)?;
        self.memory.data(&*self.caller).get(from..to).ok_or(INVALID)
    }

    pub(crate) fn write(&mut self, at: i32, bytes: &[u8]) -> Result<(), i32> {
        let from = at.cast_unsigned() as usize;
        self.memory.write(&mut *self.caller, from, bytes).map_err(|_| INVALID)?;
        if let Some(cards) = self.caller.data().cards() {
            cards::mark(cards.data_mut(&mut *self.caller), from, bytes.len());
        }
        Ok(())
    }

    fn word(&self, at: i32) -> Result<i32, i32> {
        let bytes: [u8; 4] = self.read(at, 4)?.try_into().map_err(|_| INVALID)?;
        Ok(i32::from_le_bytes(bytes))
    }

    fn put_word(&mut self, at: i32, word: i32) -> Result<(), i32> {
        self.write(at, &word.to_le_bytes())
    }

    fn text(&self, at: i32, length: i32) -> Result<String, i32> {
        let bytes = self.read(at, length.cast_unsigned() as usize)?;
        String::from_utf8(bytes.to_vec()).map_err(|_| INVALID)
    }

    /// The places and lengths of a list of buffers.
    pub(crate) fn buffers(&self, at: i32, count: i32) -> Result<Vec<(i32, usize)>, i32> {
        let mut buffers = Vec::new();
        for index in 0..count {
            let entry = at.wrapping_add(index.wrapping_mul(8));
            let length = self.word(entry.wrapping_add(4))?;
            buffers.push((self.word(entry)?, length.cast_unsigned() as usize));
        }
        Ok(buffers)
    }
}

/// Runs a function of the host; a failure of reading or writing the guest's memory is its errno.
fn answer(result: Errno) -> i32 {
    result.unwrap_or_else(|errno| errno)
}

type Guests<'c, 'h> = Guest<'c, 'h, Host>;

fn with(mut caller: Caller<'_, Host>, work: impl FnOnce(&mut Guests<'_, '_>) -> Errno) -> i32 {
    answer(Guest::new(&mut caller).and_then(|mut guest| work(&mut guest)))
}

/// Defines all that a boot calls.
pub(crate) fn define(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    type C<'a> = Caller<'a, Host>;
    linker.func_wrap(PREVIEW_1, "args_sizes_get", |c: C<'_>, count: i32, bytes: i32| {
        with(c, |guest| {
            guest.put_word(count, 0)?;
            guest.put_word(bytes, 0).map(|()| 0)
        })
    })?;
    linker.func_wrap(PREVIEW_1, "args_get", |_: i32, _: i32| 0)?;
    linker.func_wrap(PREVIEW_1, "environ_sizes_get", |c: C<'_>, count: i32, bytes: i32| {
        with(c, |guest| {
            let total: usize = ENVIRONMENT.iter().map(|entry| entry.len() + 1).sum();
            guest.put_word(count, i32::try_from(ENVIRONMENT.len()).map_err(|_| INVALID)?)?;
            guest.put_word(bytes, i32::try_from(total).map_err(|_| INVALID)?).map(|()| 0)
        })
    })?;
    linker.func_wrap(PREVIEW_1, "environ_get", |c: C<'_>, list: i32, mut text: i32| {
        with(c, |guest| {
            for (at, entry) in (0..).zip(ENVIRONMENT) {
                guest.put_word(list + 4 * at, text)?;
                guest.write(text, format!("{entry}\0").as_bytes())?;
                text += i32::try_from(entry.len() + 1).map_err(|_| INVALID)?;
            }
            Ok(0)
        })
    })?;
    linker.func_wrap(PREVIEW_1, "clock_time_get", |c: C<'_>, _: i32, _: i64, out: i32| {
        with(c, |guest| guest.write(out, &BOOT_NS.to_le_bytes()).map(|()| 0))
    })?;
    linker.func_wrap(PREVIEW_1, "clock_res_get", |c: C<'_>, _: i32, out: i32| {
        with(c, |guest| guest.write(out, &1_000_u64.to_le_bytes()).map(|()| 0))
    })?;
    linker.func_wrap(PREVIEW_1, "random_get", |c: C<'_>, at: i32, length: i32| {
        with(c, |guest| {
            let bytes: Vec<u8> =
                (0..length).map(|index| (index.wrapping_mul(7) + 3).to_le_bytes()[0]).collect();
            guest.write(at, &bytes).map(|()| 0)
        })
    })?;
    linker.func_wrap(PREVIEW_1, "sched_yield", || 0)?;
    linker.func_wrap(PREVIEW_1, "poll_oneoff", |_: i32, _: i32, _: i32, _: i32| UNSUPPORTED)?;
    linker.func_wrap(PREVIEW_1, "fd_fdstat_set_flags", |_: i32, _: i32| 0)?;
    linker.func_wrap(PREVIEW_1, "path_readlink", |_: i32, _: i32, _: i32, _: i32, _: i32, _: i32| INVALID)?;
    folders(linker)?;
    files(linker)
}

fn folders(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    type C<'a> = Caller<'a, Host>;
    linker.func_wrap(PREVIEW_1, "fd_prestat_get", |c: C<'_>, fd: i32, out: i32| {
        with(c, |guest| {
            if fd != ROOT_FD {
                return Err(BAD_FD);
            }
            guest.put_word(out, 0)?;
            guest.put_word(out + 4, 1).map(|()| 0)
        })
    })?;
    linker.func_wrap(PREVIEW_1, "fd_prestat_dir_name", |c: C<'_>, fd: i32, at: i32, length: i32| {
        with(c, |guest| {
            if fd != ROOT_FD || length < 1 {
                return Err(BAD_FD);
            }
            guest.write(at, b"/").map(|()| 0)
        })
    })?;
    linker.func_wrap(
        PREVIEW_1,
        "path_filestat_get",
        |c: C<'_>, fd: i32, _: i32, path: i32, length: i32, out: i32| {
            with(c, |guest| {
                let path = guest.text(path, length)?;
                let path = guest.host().resolve(fd, &path).ok_or(BAD_FD)?;
                let record = guest.host().stat(&path).ok_or(NO_ENTRY)?;
                guest.write(out, &record).map(|()| 0)
            })
        },
    )?;
    linker.func_wrap(
        PREVIEW_1,
        "path_open",
        |c: C<'_>, fd: i32, _: i32, path: i32, length: i32, _: i32, _: i64, _: i64, _: i32, out: i32| {
            with(c, |guest| {
                let path = guest.text(path, length)?;
                let host = guest.host();
                let path = host.resolve(fd, &path).ok_or(BAD_FD)?;
                if !host.nodes.contains_key(&path) {
                    return Err(NO_ENTRY);
                }
                let new = host.next_fd;
                host.next_fd += 1;
                host.open.insert(new, Open { path, at: 0 });
                guest.put_word(out, new).map(|()| 0)
            })
        },
    )?;
    linker.func_wrap(
        PREVIEW_1,
        "fd_readdir",
        |c: C<'_>, fd: i32, at: i32, length: i32, cookie: i64, out: i32| {
            with(c, |guest| {
                let host = guest.host();
                let path = host.open.get(&fd).ok_or(BAD_FD)?.path.clone();
                let Some(Node::Folder(names)) = host.nodes.get(&path) else { return Err(BAD_FD) };
                let dots = [(".", true), ("..", true)].into_iter();
                let mut list = Vec::new();
                let all = dots.chain(names.iter().map(|(name, folder)| (name.as_str(), *folder)));
                for (index, (name, folder)) in (1_i64..).zip(all) {
                    if index > cookie {
                        list.extend(index.to_le_bytes());
                        list.extend(index.to_le_bytes());
                        list.extend(u32::try_from(name.len()).map_err(|_| INVALID)?.to_le_bytes());
                        list.extend([if folder { 3 } else { 4 }, 0, 0, 0]);
                        list.extend(name.as_bytes());
                    }
                }
                list.truncate(length.cast_unsigned() as usize);
                guest.write(at, &list)?;
                guest.put_word(out, i32::try_from(list.len()).map_err(|_| INVALID)?).map(|()| 0)
            })
        },
    )?;
    Ok(())
}

fn files(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    type C<'a> = Caller<'a, Host>;
    linker.func_wrap(PREVIEW_1, "fd_fdstat_get", |c: C<'_>, fd: i32, out: i32| {
        with(c, |guest| {
            let host = guest.host();
            let kind = match host.open.get(&fd) {
                Some(open) => match host.nodes.get(&open.path) {
                    Some(Node::Folder(_)) => 3,
                    Some(Node::File(_)) | None => 4,
                },
                None if (0..ROOT_FD).contains(&fd) => 2,
                None => return Err(BAD_FD),
            };
            guest.write(out, &fdstat(kind)).map(|()| 0)
        })
    })?;
    linker.func_wrap(PREVIEW_1, "fd_filestat_get", |c: C<'_>, fd: i32, out: i32| {
        with(c, |guest| {
            let host = guest.host();
            let record = match host.open.get(&fd) {
                Some(open) => host.stat(&open.path).ok_or(BAD_FD)?,
                None if (0..ROOT_FD).contains(&fd) => filestat(0, 2, 0),
                None => return Err(BAD_FD),
            };
            guest.write(out, &record).map(|()| 0)
        })
    })?;
    linker.func_wrap(PREVIEW_1, "fd_close", |mut c: C<'_>, fd: i32| {
        c.data_mut().open.remove(&fd).map_or(BAD_FD, |_| 0)
    })?;
    linker.func_wrap(PREVIEW_1, "fd_seek", |c: C<'_>, fd: i32, offset: i64, whence: i32, out: i32| {
        with(c, |guest| {
            let host = guest.host();
            let open = host.open.get_mut(&fd).ok_or(NOT_SEEKABLE)?;
            let Some(Node::File(text)) = host.nodes.get(&open.path) else { return Err(IS_DIR) };
            let from = match whence {
                0 => 0,
                1 => open.at,
                2 => text.len(),
                _ => return Err(INVALID),
            };
            let at = i64::try_from(from).map_err(|_| INVALID)?.checked_add(offset).ok_or(INVALID)?;
            open.at = usize::try_from(at).map_err(|_| INVALID)?;
            guest.write(out, &at.to_le_bytes()).map(|()| 0)
        })
    })?;
    linker.func_wrap(PREVIEW_1, "fd_tell", |c: C<'_>, fd: i32, out: i32| {
        with(c, |guest| {
            let at = guest.host().open.get(&fd).ok_or(NOT_SEEKABLE)?.at as u64;
            guest.write(out, &at.to_le_bytes()).map(|()| 0)
        })
    })?;
    linker.func_wrap(PREVIEW_1, "fd_read", |c: C<'_>, fd: i32, buffers: i32, count: i32, out: i32| {
        with(c, |guest| {
            let mut total = 0;
            for (at, length) in guest.buffers(buffers, count)? {
                let host = guest.host();
                let Some(open) = host.open.get_mut(&fd) else { break };
                let Some(Node::File(text)) = host.nodes.get(&open.path) else { return Err(IS_DIR) };
                let rest = text.get(open.at..).unwrap_or_default();
                let piece = rest.get(..length.min(rest.len())).unwrap_or_default().to_vec();
                open.at += piece.len();
                total += piece.len();
                guest.write(at, &piece)?;
            }
            guest.put_word(out, i32::try_from(total).map_err(|_| INVALID)?).map(|()| 0)
        })
    })?;
    linker.func_wrap(PREVIEW_1, "fd_write", |c: C<'_>, _: i32, buffers: i32, count: i32, out: i32| {
        with(c, |guest| {
            let mut total = 0;
            for (at, length) in guest.buffers(buffers, count)? {
                let piece = guest.read(at, length)?.to_vec();
                total += piece.len();
                guest.host().printed.extend(piece);
            }
            guest.put_word(out, i32::try_from(total).map_err(|_| INVALID)?).map(|()| 0)
        })
    })?;
    Ok(())
}
