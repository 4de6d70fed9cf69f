//! The log that the shim writes: every call that changed a file, in order, with its data.

use std::path::Path;

use anyhow::{Context as _, Result, bail};

/// Bytes of an entry before its paths and its data, as `shim.c` lays them out.
const HEAD: usize = 48;

/// A call that changed a file, or was to.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Its number among the calls that change files; 0 for output.
    pub(crate) number: u64,
    pub(crate) call: Call,
    /// The name within the folder; empty for the folder itself.
    pub(crate) name: String,
    pub(crate) inode: u64,
    /// Where it writes, or the length that it cuts a file to.
    pub(crate) offset: u64,
    pub(crate) data: Vec<u8>,
    /// Whether it was made to fail, or to do half of its work.
    pub(crate) failed: bool,
}

/// The kinds of calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// A file came into being.
    Create,
    Write,
    /// A file was cut, or made longer.
    Cut,
    Sync,
    Unlink,
    /// To another name.
    Rename(String),
    /// Under another name too.
    Link(String),
    MakeFolder,
    /// Standard output.
    Output,
}

impl Call {
    fn word(&self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Write => "write",
            Self::Cut => "truncate",
            Self::Sync => "sync",
            Self::Unlink => "unlink",
            Self::Rename(_) => "rename",
            Self::Link(_) => "link",
            Self::MakeFolder => "mkdir",
            Self::Output => "output",
        }
    }
}

impl Entry {
    /// The call for people: `write x.oikos-wal`.
    pub(crate) fn text(&self) -> String {
        let name = if self.name.is_empty() { "the folder" } else { &self.name };
        format!("{} {name}", self.call.word())
    }
}

/// Reads the log of a program that ran in `folder`.
pub(crate) fn read(path: &Path, folder: &Path) -> Result<Vec<Entry>> {
    let bytes = std::fs::read(path).with_context(|| format!("{} can't be read", path.display()))?;
    let folder = folder.to_str().context("the folder's name is not UTF-8")?;
    let mut rest = bytes.as_slice();
    let mut entries = Vec::new();
    while !rest.is_empty() {
        let Some((head, after)) = rest.split_at_checked(HEAD) else { break };
        let [number, path, other, data] = [4, 24, 28, 32].map(|at| u32_at(head, at));
        let (inode, offset) = (u64_at(head, 8), u64_at(head, 16));
        let lengths = [path, other, data].map(|length| usize::try_from(length).unwrap_or(usize::MAX));
        let Some((parts, after)) = split(after, lengths) else { break };
        rest = after;
        let [path, other, data] = parts;
        let name = |path: &[u8]| -> String {
            let path = String::from_utf8_lossy(path);
            path.strip_prefix(folder).unwrap_or(&path).trim_start_matches('/').to_owned()
        };
        let (byte, which) = (byte_at(head, 40), byte_at(head, 41));
        let failed = byte == b'f';
        let call = match if failed { which } else { byte } {
            b'c' => Call::Create,
            b'w' => Call::Write,
            b't' => Call::Cut,
            b's' => Call::Sync,
            b'u' => Call::Unlink,
            b'r' => Call::Rename(name(other)),
            b'l' => Call::Link(name(other)),
            b'm' => Call::MakeFolder,
            b'o' => Call::Output,
            other => bail!("the log of {} has an unknown call {other}", path.escape_ascii()),
        };
        entries.push(Entry {
            number: number.into(),
            call,
            name: name(path),
            inode,
            offset,
            data: data.to_vec(),
            failed: failed || u32_at(head, 36) != 0,
        });
    }
    Ok(entries)
}

fn split(mut rest: &[u8], lengths: [usize; 3]) -> Option<([&[u8]; 3], &[u8])> {
    let mut parts = [&[][..]; 3];
    for (part, length) in parts.iter_mut().zip(lengths) {
        (*part, rest) = rest.split_at_checked(length)?;
    }
    Some((parts, rest))
}

fn byte_at(head: &[u8], at: usize) -> u8 {
    head.get(at).copied().unwrap_or(0)
}

fn u32_at(head: &[u8], at: usize) -> u32 {
    head.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes)
}

fn u64_at(head: &[u8], at: usize) -> u64 {
    head.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes)
}

/// All that was printed.
pub(crate) fn printed(entries: &[Entry]) -> String {
    let bytes: Vec<u8> = entries
        .iter()
        .filter(|entry| entry.call == Call::Output)
        .flat_map(|entry| entry.data.iter().copied())
        .collect();
    String::from_utf8_lossy(&bytes).into_owned()
}
