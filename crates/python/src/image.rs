//! The pieces that the build script packed into the binary.

use std::collections::BTreeMap;

use crate::Error;

const CPYTHON: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/cpython.wasm.zst"));
const LIBRARY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/library.zst"));
/// The scripts that run at the boot, in their order.
pub(crate) const BOOT: &str = include_str!("../guest/boot.py");
pub(crate) const SURROUNDINGS: &str = include_str!("../guest/surroundings.py");
pub(crate) const DRIVER: &str = include_str!("../guest/driver.py");
/// The SHA-256 of all of it.
pub(crate) const SOURCES: &str = env!("OIKOS_PYTHON_SOURCES");

/// More than either unpacks to.
const UNPACKED_BYTES_MAX: usize = 64 << 20;

/// The linked interpreter.
pub(crate) fn cpython() -> Result<Vec<u8>, Error> {
    unpack(CPYTHON)
}

/// The text of every module of the standard library by its path.
pub(crate) fn library() -> Result<BTreeMap<String, Vec<u8>>, Error> {
    let packed = unpack(LIBRARY)?;
    let (mut rest, mut modules) = (packed.as_slice(), BTreeMap::new());
    while !rest.is_empty() {
        let path = String::from_utf8_lossy(part(&mut rest)?).into_owned();
        modules.insert(path, part(&mut rest)?.to_vec());
    }
    Ok(modules)
}

fn part<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Error> {
    let cut = || Error::Boot("its library is cut short".into());
    let (length, after) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
    let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
    let (part, after) = after.split_at_checked(length).ok_or_else(cut)?;
    *rest = after;
    Ok(part)
}

fn unpack(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    zstd::bulk::decompress(bytes, UNPACKED_BYTES_MAX).map_err(|error| Error::Boot(error.to_string()))
}
