//! A module as it stands at a moment: its memory as data, its globals as they are.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};
use wasm_encoder::{
    ConstExpr, DataSection, ExportKind, ExportSection, GlobalSection, GlobalType, MemorySection, Module,
    RawSection, SectionId,
    reencode::{Reencode as _, RoundtripReencoder},
};
use wasmparser::{ExternalKind, Parser, Payload};

/// Zeros between two pieces of data that are worth a new piece.
const GAP_BYTES: usize = 4_096;

/// The state of an instance.
pub(crate) struct State<'a> {
    pub(crate) memory: &'a [u8],
    /// The values of the globals that can change, by their index.
    pub(crate) globals: BTreeMap<u32, i32>,
}

/// The hash of a snapshot, as it is pinned.
pub(crate) fn sha256(snapshot: &[u8]) -> String {
    Sha256::digest(snapshot).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A module that begins in the state. `exports` are those that it keeps.
pub(crate) fn write(module: &[u8], state: &State<'_>, exports: &[&str]) -> Result<Vec<u8>, String> {
    let mut out = Module::new();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload.map_err(|error| error.to_string())?;
        let raw = |out: &mut Module, id: SectionId, range: std::ops::Range<usize>| {
            let data = module.get(range).unwrap_or_default();
            out.section(&RawSection { id: id.into(), data });
        };
        match payload {
            Payload::TypeSection(section) => raw(&mut out, SectionId::Type, section.range()),
            Payload::ImportSection(section) => raw(&mut out, SectionId::Import, section.range()),
            Payload::FunctionSection(section) => raw(&mut out, SectionId::Function, section.range()),
            Payload::TableSection(section) => raw(&mut out, SectionId::Table, section.range()),
            Payload::MemorySection(section) => {
                out.section(&memories(section, state).map_err(|error| error.to_string())?);
            }
            Payload::GlobalSection(section) => {
                out.section(&globals(section, state).map_err(|error| error.to_string())?);
            }
            Payload::ExportSection(section) => {
                out.section(&kept(section, exports).map_err(|error| error.to_string())?);
            }
            Payload::ElementSection(section) => raw(&mut out, SectionId::Element, section.range()),
            Payload::CodeSectionStart { range, .. } => raw(&mut out, SectionId::Code, range),
            Payload::DataSection(_) => {
                out.section(&data(state.memory));
            }
            _ => {}
        }
    }
    Ok(out.finish())
}

/// The memory with as many pages as it has, and that of the cards.
fn memories(
    section: wasmparser::MemorySectionReader<'_>,
    state: &State<'_>,
) -> Result<MemorySection, Encoding> {
    let (mut out, mut plain) = (MemorySection::new(), RoundtripReencoder);
    for (index, memory) in section.into_iter().enumerate() {
        let mut memory = plain.memory_type(memory?)?;
        if index == 0 {
            memory.minimum = u64::try_from(state.memory.len().div_ceil(65_536)).unwrap_or(u64::MAX);
        }
        out.memory(memory);
    }
    Ok(out)
}

type Globals<'a> = wasmparser::GlobalSectionReader<'a>;
type Encoding = wasm_encoder::reencode::Error;

fn globals(section: Globals<'_>, state: &State<'_>) -> Result<GlobalSection, Encoding> {
    let (mut out, mut plain) = (GlobalSection::new(), RoundtripReencoder);
    for (index, global) in (0_u32..).zip(section) {
        let global = global?;
        let val_type = plain.val_type(global.ty.content_type)?;
        let of = GlobalType { val_type, mutable: global.ty.mutable, shared: false };
        let init = match state.globals.get(&index) {
            Some(value) => ConstExpr::i32_const(*value),
            None => plain.const_expr(global.init_expr)?,
        };
        out.global(of, &init);
    }
    Ok(out)
}

fn kept(section: wasmparser::ExportSectionReader<'_>, names: &[&str]) -> Result<ExportSection, Encoding> {
    let mut out = ExportSection::new();
    for export in section {
        let export = export?;
        let kind = match export.kind {
            ExternalKind::Func => ExportKind::Func,
            ExternalKind::Memory => ExportKind::Memory,
            ExternalKind::Global => ExportKind::Global,
            _ => continue,
        };
        // All that can change is kept, so that it can be put back.
        if names.contains(&export.name) || kind == ExportKind::Global {
            out.export(export.name, kind, export.index);
        }
    }
    Ok(out)
}

/// The pieces of memory between long runs of zeros.
fn data(memory: &[u8]) -> DataSection {
    let mut section = DataSection::new();
    let mut begun: Option<usize> = None;
    let mut end = 0;
    let mut put = |from: usize, to: usize| {
        let piece = memory.get(from..to).unwrap_or_default();
        let offset = u32::try_from(from).unwrap_or(u32::MAX).cast_signed();
        section.active(0, &ConstExpr::i32_const(offset), piece.iter().copied());
    };
    for (at, byte) in memory.iter().enumerate() {
        if *byte == 0 {
            if let Some(from) = begun.take_if(|_| at - end >= GAP_BYTES) {
                put(from, end);
            }
            continue;
        }
        begun.get_or_insert(at);
        end = at + 1;
    }
    if let Some(from) = begun {
        put(from, end);
    }
    section
}
