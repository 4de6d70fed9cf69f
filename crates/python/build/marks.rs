//! Marks in a second memory what a run writes to the first, so that an instance can be put back as it was.
//!
//! Every store of the module is followed by one that marks its card, a grain of memory. No instruction of the module
//! names the second memory otherwise: even code that has broken the interpreter can't unmark what it wrote.

use std::error::Error;

use wasm_encoder::{
    BlockType, CodeSection, ExportKind, ExportSection, Function, InstructionSink, MemArg, MemorySection,
    Module, RawSection, SectionId,
    reencode::{Reencode as _, RoundtripReencoder},
};
use wasmparser::{FunctionBody, Operator, Parser, Payload, ValType};

use crate::cards::{GRAIN_BITS, MEMORY_BYTES_MAX};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Pages of cards: enough for any memory that can be granted.
const CARDS_PAGES: u64 = (MEMORY_BYTES_MAX as u64 >> GRAIN_BITS).div_ceil(65_536);
/// The index of the second memory.
const CARDS: u32 = 1;

/// The module with a memory of cards, exported as `cards`, and marks at each store.
pub(crate) fn mark(module: &[u8]) -> Result<Vec<u8>> {
    let (mut out, mut code) = (Module::new(), CodeSection::new());
    let (mut parameters, mut functions, mut bodies) = (Vec::new(), Vec::new(), 0_u32);
    let mut plain = RoundtripReencoder;
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::MemorySection(section) => {
                let mut memories = MemorySection::new();
                for memory in section {
                    memories.memory(plain.memory_type(memory?)?);
                }
                memories.memory(wasm_encoder::MemoryType {
                    minimum: CARDS_PAGES,
                    maximum: Some(CARDS_PAGES),
                    memory64: false,
                    shared: false,
                    page_size_log2: None,
                });
                out.section(&memories);
            }
            Payload::ExportSection(section) => {
                let mut exports = ExportSection::new();
                plain.parse_export_section(&mut exports, section)?;
                exports.export("cards", ExportKind::Memory, CARDS);
                out.section(&exports);
            }
            Payload::TypeSection(section) => {
                copy(&mut out, module, SectionId::Type, section.range());
                for of in section.into_iter_err_on_gc_types() {
                    parameters.push(of?.params().len());
                }
            }
            Payload::FunctionSection(section) => {
                copy(&mut out, module, SectionId::Function, section.range());
                for of in section {
                    functions.push(*parameters.get(of? as usize).ok_or("a function has no type")?);
                }
            }
            Payload::CodeSectionEntry(body) => {
                let parameters = functions.get(bodies as usize).ok_or("a body has no function")?;
                code.function(&marked(&body, u32::try_from(*parameters)?)?);
                bodies += 1;
                if bodies as usize == functions.len() {
                    out.section(&code);
                }
            }
            Payload::ImportSection(section) => copy(&mut out, module, SectionId::Import, section.range()),
            Payload::TableSection(section) => copy(&mut out, module, SectionId::Table, section.range()),
            Payload::GlobalSection(section) => copy(&mut out, module, SectionId::Global, section.range()),
            Payload::ElementSection(section) => copy(&mut out, module, SectionId::Element, section.range()),
            Payload::DataSection(section) => copy(&mut out, module, SectionId::Data, section.range()),
            Payload::DataCountSection { range, .. } => copy(&mut out, module, SectionId::DataCount, range),
            Payload::Version { .. } | Payload::CodeSectionStart { .. } | Payload::End(_) => {}
            other => return Err(format!("the module has a section that was not expected: {other:?}").into()),
        }
    }
    Ok(out.finish())
}

fn copy(out: &mut Module, module: &[u8], id: SectionId, range: std::ops::Range<usize>) {
    out.section(&RawSection { id: id.into(), data: module.get(range).unwrap_or_default() });
}

/// The locals that marking takes, after a function's own.
struct Locals {
    address: u32,
    length: u32,
    card: u32,
    /// The first of one for each kind of value.
    values: u32,
}

const VALUES: [ValType; 5] = [ValType::I32, ValType::I64, ValType::F32, ValType::F64, ValType::V128];

impl Locals {
    fn value(&self, of: ValType) -> Result<u32> {
        let at = VALUES.iter().position(|kind| *kind == of).ok_or("a value of another kind is stored")?;
        Ok(self.values + u32::try_from(at)?)
    }
}

/// A function's body with its marks.
fn marked(body: &FunctionBody<'_>, parameters: u32) -> Result<Function> {
    let mut plain = RoundtripReencoder;
    let (mut locals, mut count) = (Vec::new(), parameters);
    for of in body.get_locals_reader()? {
        let (many, kind) = of?;
        locals.push((many, plain.val_type(kind)?));
        count += many;
    }
    let own = Locals { address: count, length: count + 1, card: count + 2, values: count + 3 };
    locals.push((3, wasm_encoder::ValType::I32));
    for kind in VALUES {
        locals.push((1, plain.val_type(kind)?));
    }
    let mut function = Function::new(locals);
    let mut operators = body.get_operators_reader()?;
    while !operators.eof() {
        let operator = operators.read()?;
        let write = written(&operator)?;
        let instruction = plain.instruction(operator)?;
        let mut sink = function.instructions();
        match write {
            Write::Nothing => {
                function.instruction(&instruction);
            }
            Write::Value(kind, offset) => {
                let value = own.value(kind)?;
                sink.local_set(value).local_tee(own.address).local_get(value);
                function.instruction(&instruction);
                mark_address(&mut function.instructions(), &own, offset);
            }
            Write::Range => {
                let value = own.value(ValType::I32)?;
                sink.local_set(own.length).local_set(value).local_tee(own.address);
                sink.local_get(value).local_get(own.length);
                function.instruction(&instruction);
                mark_range(&mut function.instructions(), &own);
            }
        }
    }
    Ok(function)
}

/// Where an instruction writes.
enum Write {
    Nothing,
    /// A value of a kind, at an address with an offset.
    Value(ValType, u64),
    /// An address, something, a length.
    Range,
}

/// Where an operator writes in the first memory.
fn written(operator: &Operator<'_>) -> Result<Write> {
    use Operator as O;
    Ok(match operator {
        O::I32Store { memarg } | O::I32Store8 { memarg } | O::I32Store16 { memarg } => {
            Write::Value(ValType::I32, memarg.offset)
        }
        O::I64Store { memarg }
        | O::I64Store8 { memarg }
        | O::I64Store16 { memarg }
        | O::I64Store32 { memarg } => Write::Value(ValType::I64, memarg.offset),
        O::F32Store { memarg } => Write::Value(ValType::F32, memarg.offset),
        O::F64Store { memarg } => Write::Value(ValType::F64, memarg.offset),
        O::V128Store { memarg }
        | O::V128Store8Lane { memarg, .. }
        | O::V128Store16Lane { memarg, .. }
        | O::V128Store32Lane { memarg, .. }
        | O::V128Store64Lane { memarg, .. } => Write::Value(ValType::V128, memarg.offset),
        O::MemoryCopy { .. } | O::MemoryFill { .. } | O::MemoryInit { .. } => Write::Range,
        other => {
            let name = format!("{other:?}");
            let word = name.split(' ').next().unwrap_or_default();
            // Tables stay as they are; threads there are none.
            let changes = ["Table", "Elem"].iter().any(|kind| word.starts_with(kind)) && word != "TableGet";
            if changes && word != "TableSize" || word.contains("Atomic") || word.contains("Store") {
                return Err(format!("the module has the instruction {word}, which is not marked").into());
            }
            Write::Nothing
        }
    })
}

const fn card() -> MemArg {
    MemArg { offset: 0, align: 0, memory_index: CARDS }
}

/// Marks the card of an address. The value may reach into the next grain, by less than `cards::REACH_BYTES`.
fn mark_address(sink: &mut InstructionSink<'_>, own: &Locals, offset: u64) {
    sink.local_get(own.address);
    if offset != 0 {
        sink.i32_const((offset as u32).cast_signed()).i32_add();
    }
    sink.i32_const(GRAIN_BITS).i32_shr_u().i32_const(1).i32_store8(card());
}

/// Marks the cards of a range: its first and last, and those between.
fn mark_range(sink: &mut InstructionSink<'_>, own: &Locals) {
    let last = |sink: &mut InstructionSink<'_>| {
        sink.local_get(own.address).local_get(own.length).i32_add().i32_const(1).i32_sub();
        sink.i32_const(GRAIN_BITS).i32_shr_u();
    };
    sink.local_get(own.length).if_(BlockType::Empty);
    sink.local_get(own.address).i32_const(GRAIN_BITS).i32_shr_u().local_tee(own.card);
    sink.i32_const(1).i32_store8(card());
    last(sink);
    sink.i32_const(1).i32_store8(card());
    last(sink);
    sink.local_get(own.card).i32_sub().local_tee(own.length).i32_const(1).i32_gt_u().if_(BlockType::Empty);
    sink.local_get(own.card).i32_const(1).i32_add();
    sink.i32_const(1);
    sink.local_get(own.length).i32_const(1).i32_sub();
    sink.memory_fill(CARDS).end().end();
}
