//! Bytes as they are stored: compressed, and never by more than a small file may ask memory for.

use std::io::{BufRead, BufReader, Read, Write};

use oikos_kernel::limits::UNPACKED_PER_PACKED_MAX;

/// Bytes that may unpack from nothing: so few that many small rows together ask for little memory too.
const UNPACKED_FREE: u64 = 16 << 10;
/// The window of the decoder, as a power of two; the encoder's levels stay below.
const WINDOW_LOG_MAX: u32 = 23;
/// A frame that decoders skip: its number, and its length after it.
const SKIPPED: u32 = 0x184d_2a50;

/// How many bytes so many packed ones may unpack to.
pub(crate) fn unpacked_max(packed: u64) -> u64 {
    packed.saturating_mul(UNPACKED_PER_PACKED_MAX as u64).saturating_add(UNPACKED_FREE)
}

/// Compresses bytes as they are written.
pub(crate) struct Packer {
    encoder: zstd::stream::Encoder<'static, Vec<u8>>,
    plain: u64,
}

impl Packer {
    pub(crate) fn new(level: i32) -> std::io::Result<Self> {
        Ok(Self { encoder: zstd::stream::Encoder::new(Vec::new(), level)?, plain: 0 })
    }

    /// All that is packed so far is given away; more follows.
    pub(crate) fn take(&mut self, at_least: usize) -> Option<Vec<u8>> {
        let packed = self.encoder.get_mut();
        (packed.len() >= at_least).then(|| std::mem::take(packed))
    }

    /// The rest. `given` bytes were given away before; what has packed too well is padded.
    pub(crate) fn finish(self, given: u64) -> std::io::Result<Vec<u8>> {
        let plain = self.plain;
        let mut packed = self.encoder.finish()?;
        let needed = plain.saturating_sub(UNPACKED_FREE).div_ceil(UNPACKED_PER_PACKED_MAX as u64);
        let missing = needed.saturating_sub(given + packed.len() as u64);
        if let Ok(missing) = u32::try_from(missing)
            && missing > 0
        {
            packed.extend(SKIPPED.to_le_bytes());
            packed.extend(missing.to_le_bytes());
            packed.resize(packed.len() + missing as usize, 0);
        }
        Ok(packed)
    }
}

impl Write for Packer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.encoder.write(bytes)?;
        self.plain += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Unpacks bytes as they are read, and refuses to unpack more than so many.
pub(crate) struct Unpacker<R: BufRead> {
    decoder: BufReader<Bounded<zstd::stream::Decoder<'static, R>>>,
}

struct Bounded<R> {
    from: R,
    left: u64,
    problem: Option<String>,
}

impl<R: BufRead> Unpacker<R> {
    pub(crate) fn new(packed: R, unpacked_max: u64) -> std::io::Result<Self> {
        let mut decoder = zstd::stream::Decoder::with_buffer(packed)?;
        decoder.window_log_max(WINDOW_LOG_MAX)?;
        let bounded = Bounded { from: decoder, left: unpacked_max, problem: None };
        Ok(Self { decoder: BufReader::with_capacity(64 * 1024, bounded) })
    }

    /// The first thing that went wrong while unpacking.
    pub(crate) fn problem(&self) -> Option<&str> {
        self.decoder.get_ref().problem.as_deref()
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        let read = self.from.read(to).and_then(|read| match self.left.checked_sub(read as u64) {
            Some(left) => {
                self.left = left;
                Ok(read)
            }
            None => Err(std::io::Error::other("it unpacks to more than its size allows")),
        });
        if let Err(error) = &read {
            self.problem.get_or_insert_with(|| error.to_string());
        }
        read
    }
}

impl<R: BufRead> Read for Unpacker<R> {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        self.decoder.read(to)
    }
}

impl<R: BufRead> BufRead for Unpacker<R> {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        self.decoder.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.decoder.consume(count);
    }
}
