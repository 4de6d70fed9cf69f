//! Links position-independent libraries (the custom section `dylink.0`) statically into one module: one memory,
//! one table, every symbol resolved. Functions that no library defines are imported from the host.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    error::Error,
};

use wasm_encoder::{
    CodeSection, ConstExpr, DataCountSection, DataSection, ElementSection, Elements, EntityType, ExportKind,
    ExportSection, Function, FunctionSection, GlobalSection, GlobalType, ImportSection, Instruction,
    MemorySection, MemoryType, Module, RefType, TableSection, TableType, TypeSection,
    reencode::{self, Reencode, RoundtripReencoder},
};
use wasmparser::{
    Data, DataKind, Dylink0Subsection, ElementItems, ElementKind, Export, ExternalKind, FuncType,
    FunctionBody, Global, Import, KnownCustom, Operator, Parser, Payload, TypeRef, ValType,
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The stack of C, below everything else, so that running over its end is a trap.
const STACK_BYTES: u32 = 8 << 20;
/// Below the stack nothing is: a null pointer reads nothing that matters.
const STACK_LOW: u32 = 1024;
const PAGE_BYTES: u32 = 65_536;

/// A library as it is read, and where its parts come to lie.
#[derive(Default)]
struct Library<'a> {
    name: &'a str,
    types: Vec<FuncType>,
    imports: Vec<Import<'a>>,
    function_types: Vec<u32>,
    globals: Vec<Global<'a>>,
    exports: Vec<Export<'a>>,
    elements: Vec<wasmparser::Element<'a>>,
    bodies: Vec<FunctionBody<'a>>,
    data: Vec<Data<'a>>,
    start: Option<u32>,
    memory_bytes: u32,
    /// As a power of two.
    memory_align: u32,
    table_slots: u32,
    memory_base: u32,
    table_base: u32,
    data_base: u32,
    element_base: u32,
    /// From the library's own indices to those of the module.
    type_at: Vec<u32>,
    function_at: Vec<u32>,
    global_at: Vec<At>,
    /// The first of its own functions in the module.
    own_functions: u32,
}

impl<'a> Library<'a> {
    fn read(name: &'a str, bytes: &'a [u8]) -> Result<Self> {
        let mut library = Self { name, ..Self::default() };
        for payload in Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::TypeSection(types) => {
                    for of in types.into_iter_err_on_gc_types() {
                        library.types.push(of?);
                    }
                }
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        library.imports.push(import?);
                    }
                }
                Payload::FunctionSection(types) => {
                    for of in types {
                        library.function_types.push(of?);
                    }
                }
                Payload::GlobalSection(globals) => {
                    for global in globals {
                        library.globals.push(global?);
                    }
                }
                Payload::ExportSection(exports) => {
                    for export in exports {
                        library.exports.push(export?);
                    }
                }
                Payload::ElementSection(elements) => {
                    for element in elements {
                        library.elements.push(element?);
                    }
                }
                Payload::DataSection(data) => {
                    for piece in data {
                        library.data.push(piece?);
                    }
                }
                Payload::CodeSectionEntry(body) => library.bodies.push(body),
                Payload::StartSection { func, .. } => library.start = Some(func),
                Payload::TagSection(_) => return Err(format!("{name} has tags").into()),
                Payload::CustomSection(section) => {
                    if let KnownCustom::Dylink0(parts) = section.as_known() {
                        for part in parts {
                            if let Dylink0Subsection::MemInfo(info) = part? {
                                library.memory_bytes = info.memory_size;
                                library.memory_align = info.memory_alignment;
                                library.table_slots = info.table_size;
                            }
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(library)
    }

    fn imported(&self, is: fn(&TypeRef) -> bool) -> u32 {
        self.imports.iter().filter(|import| is(&import.ty)).count() as u32
    }

    fn imported_functions(&self) -> u32 {
        self.imported(|of| matches!(of, TypeRef::Func(_)))
    }

    fn imported_globals(&self) -> u32 {
        self.imported(|of| matches!(of, TypeRef::Global(_)))
    }

    fn function(&self, name: &str) -> Option<u32> {
        let export = self.exports.iter().find(|export| export.name == name)?;
        (export.kind == ExternalKind::Func).then(|| self.function_at[export.index as usize])
    }
}

/// Where everything lies.
struct Layout {
    heap: u32,
    pages: u32,
    table_slots: u32,
}

/// A global of a library, in the module.
#[derive(Clone, Copy)]
enum At {
    /// A global that can change, by its index.
    Kept(u32),
    /// An address that linking decides: a constant in the code, so that no instance has to set it.
    Fixed(i32),
}

/// The functions of all libraries by name, and the addresses of their data.
struct Symbols<'a> {
    functions: HashMap<&'a str, (usize, u32)>,
    data: HashMap<&'a str, (usize, u32)>,
}

impl<'a> Symbols<'a> {
    /// Of several of one name, the first library's counts.
    fn collect(libraries: &[Library<'a>]) -> Self {
        let mut symbols = Self { functions: HashMap::new(), data: HashMap::new() };
        for (at, library) in libraries.iter().enumerate() {
            for export in &library.exports {
                let into = match export.kind {
                    ExternalKind::Func => &mut symbols.functions,
                    ExternalKind::Global => &mut symbols.data,
                    _ => continue,
                };
                into.entry(export.name).or_insert((at, export.index));
            }
        }
        symbols
    }

    /// The index in the module of a function that a library defines.
    fn function(&self, libraries: &[Library<'_>], name: &str) -> Option<u32> {
        let (at, index) = *self.functions.get(name)?;
        let library = &libraries[at];
        Some(library.own_functions + index - library.imported_functions())
    }

    /// The address of a datum.
    fn address(&self, libraries: &[Library<'_>], layout: &Layout, name: &str) -> Result<Option<u32>> {
        Ok(Some(match name {
            "__heap_base" => layout.heap,
            "__heap_end" => layout.pages * PAGE_BYTES,
            "__stack_low" => STACK_LOW,
            "__stack_high" => STACK_LOW + STACK_BYTES,
            _ => {
                let Some(&(at, index)) = self.data.get(name) else { return Ok(None) };
                let library = &libraries[at];
                let global = &library.globals[(index - library.imported_globals()) as usize];
                library.memory_base + constant(&global.init_expr, |_| None)? as u32
            }
        }))
    }
}

/// The value of a constant expression.
fn constant(expression: &wasmparser::ConstExpr<'_>, global: impl Fn(u32) -> Option<i64>) -> Result<i64> {
    let mut stack = Vec::new();
    for operator in expression.get_operators_reader() {
        match operator? {
            Operator::I32Const { value } => stack.push(i64::from(value)),
            Operator::I64Const { value } => stack.push(value),
            Operator::GlobalGet { global_index } => {
                stack.push(global(global_index).ok_or("a constant reads a global without a value")?);
            }
            Operator::I32Add => {
                let (right, left) = (stack.pop().ok_or("i32.add")?, stack.pop().ok_or("i32.add")?);
                stack.push(i64::from((left as i32).wrapping_add(right as i32)));
            }
            Operator::End => {}
            other => return Err(format!("a constant has {other:?}").into()),
        }
    }
    stack.pop().ok_or_else(|| "an empty constant".into())
}

/// Rewrites the indices in a library's code.
struct Moved<'l, 'a>(&'l Library<'a>);

impl Reencode for Moved<'_, '_> {
    type Error = std::convert::Infallible;

    fn type_index(&mut self, index: u32) -> std::result::Result<u32, reencode::Error> {
        Ok(self.0.type_at[index as usize])
    }

    fn function_index(&mut self, index: u32) -> std::result::Result<u32, reencode::Error> {
        Ok(self.0.function_at[index as usize])
    }

    fn global_index(&mut self, index: u32) -> std::result::Result<u32, reencode::Error> {
        match self.0.global_at[index as usize] {
            At::Kept(index) => Ok(index),
            At::Fixed(_) => Err(reencode::Error::UnexpectedNonCoreModuleSection),
        }
    }

    fn instruction<'i>(
        &mut self,
        operator: Operator<'i>,
    ) -> std::result::Result<Instruction<'i>, reencode::Error> {
        if let Operator::GlobalGet { global_index } = operator
            && let At::Fixed(value) = self.0.global_at[global_index as usize]
        {
            return Ok(Instruction::I32Const(value));
        }
        reencode::utils::instruction(self, operator)
    }

    fn data_index(&mut self, index: u32) -> std::result::Result<u32, reencode::Error> {
        Ok(self.0.data_base + index)
    }

    fn element_index(&mut self, index: u32) -> std::result::Result<u32, reencode::Error> {
        Ok(self.0.element_base + index)
    }
}

/// Links libraries, each with its name.
pub(crate) fn link(parts: &[(String, Vec<u8>)]) -> Result<Vec<u8>> {
    let mut libraries = Vec::new();
    for (name, bytes) in parts {
        libraries.push(Library::read(name, bytes).map_err(|problem| format!("{name}: {problem}"))?);
    }
    let mut layout = lay_out(&mut libraries);
    let mut types = unite_types(&mut libraries);
    let symbols = Symbols::collect(&libraries);
    let host = place_functions(&mut libraries, &symbols);
    let (globals, table_functions) = place_globals(&mut libraries, &symbols, &mut layout)?;
    let boot_type = types.iter().position(|of| of.params().is_empty() && of.results().is_empty());
    let boot_type = boot_type.unwrap_or_else(|| {
        types.push(FuncType::new([], []));
        types.len() - 1
    });
    let module = emit(&Linked {
        libraries,
        layout,
        types,
        host,
        globals,
        table_functions,
        boot_type: boot_type as u32,
    })?;
    wasmparser::Validator::new().validate_all(&module)?;
    Ok(module)
}

/// Gives every library its place in memory and in the table.
fn lay_out(libraries: &mut [Library<'_>]) -> Layout {
    let (mut address, mut slot, mut data, mut elements) = (STACK_LOW + STACK_BYTES, 1, 0, 0);
    for library in libraries {
        address = address.next_multiple_of((1 << library.memory_align).max(16));
        (library.memory_base, library.table_base) = (address, slot);
        (library.data_base, library.element_base) = (data, elements);
        address += library.memory_bytes;
        slot += library.table_slots;
        data += library.data.len() as u32;
        elements += library.elements.len() as u32;
    }
    let heap = address.next_multiple_of(16);
    Layout { heap, pages: (heap + (1 << 20)).div_ceil(PAGE_BYTES), table_slots: slot }
}

/// The types of all libraries, each once.
fn unite_types(libraries: &mut [Library<'_>]) -> Vec<FuncType> {
    let (mut types, mut known) = (Vec::new(), HashMap::new());
    for library in libraries {
        for of in &library.types {
            let at = *known.entry(of.clone()).or_insert_with(|| {
                types.push(of.clone());
                types.len() as u32 - 1
            });
            library.type_at.push(at);
        }
    }
    types
}

type Host = BTreeMap<(String, String), (u32, u32)>;

/// Numbers all functions: those of the host by name, then every library's own. Answers with the host's: their
/// type and index.
fn place_functions(libraries: &mut [Library<'_>], symbols: &Symbols<'_>) -> Host {
    let mut host = Host::new();
    for library in &*libraries {
        for import in &library.imports {
            if let TypeRef::Func(of) = import.ty
                && (import.module != "env" || !symbols.functions.contains_key(import.name))
            {
                let key = (import.module.to_owned(), import.name.to_owned());
                host.entry(key).or_insert((library.type_at[of as usize], 0));
            }
        }
    }
    for (index, function) in host.values_mut().enumerate() {
        function.1 = index as u32;
    }
    let mut next = host.len() as u32;
    for library in &mut *libraries {
        library.own_functions = next;
        next += library.function_types.len() as u32;
    }
    let mut all = Vec::new();
    for library in &*libraries {
        let mut at = Vec::new();
        for import in library.imports.iter().filter(|import| matches!(import.ty, TypeRef::Func(_))) {
            let key = (import.module.to_owned(), import.name.to_owned());
            let index = host.get(&key).map(|function| function.1);
            at.extend(index.or_else(|| symbols.function(libraries, import.name)));
        }
        at.extend((0..library.function_types.len() as u32).map(|own| library.own_functions + own));
        all.push(at);
    }
    for (library, at) in libraries.iter_mut().zip(all) {
        library.function_at = at;
    }
    host
}

/// Places all globals: the stack pointer and every library's own that can change are kept, and all else is an address
/// that is known now. Answers with the values of those that are kept, and the functions whose slots in the table were
/// made for their addresses.
fn place_globals(
    libraries: &mut [Library<'_>],
    symbols: &Symbols<'_>,
    layout: &mut Layout,
) -> Result<(Vec<i32>, Vec<u32>)> {
    let mut kept = vec![(STACK_LOW + STACK_BYTES).cast_signed()];
    let (mut slots, mut functions, mut places) = (HashMap::<String, i32>::new(), Vec::new(), Vec::new());
    for library in &*libraries {
        let mut at = Vec::new();
        for import in library.imports.iter().filter(|import| matches!(import.ty, TypeRef::Global(_))) {
            at.push(match (import.module, import.name) {
                ("env", "__stack_pointer") => At::Kept(0),
                ("env", "__memory_base") => At::Fixed(library.memory_base.cast_signed()),
                ("env", "__table_base") => At::Fixed(library.table_base.cast_signed()),
                // A symbol that is nowhere defined is weak, and its address is null.
                ("GOT.mem", name) => {
                    At::Fixed(symbols.address(libraries, layout, name)?.unwrap_or(0).cast_signed())
                }
                ("GOT.func", name) => {
                    let slot = *slots.entry(name.to_owned()).or_insert_with(|| {
                        symbols.function(libraries, name).map_or(0, |function| {
                            functions.push(function);
                            (layout.table_slots + functions.len() as u32 - 1).cast_signed()
                        })
                    });
                    At::Fixed(slot)
                }
                (module, name) => {
                    return Err(format!("{} imports the global {module}.{name}", library.name).into());
                }
            });
        }
        for global in &library.globals {
            if global.ty.content_type != ValType::I32 {
                return Err(format!("{} has a global that is no i32", library.name).into());
            }
            let value = constant(&global.init_expr, |of| match at.get(of as usize)? {
                At::Fixed(value) => Some(i64::from(*value)),
                At::Kept(_) => None,
            })?;
            at.push(if global.ty.mutable {
                kept.push(value as i32);
                At::Kept(kept.len() as u32 - 1)
            } else {
                At::Fixed(value as i32)
            });
        }
        places.push(at);
    }
    for (library, at) in libraries.iter_mut().zip(places) {
        library.global_at = at;
    }
    Ok((kept, functions))
}

/// All that is written out.
struct Linked<'a> {
    libraries: Vec<Library<'a>>,
    layout: Layout,
    types: Vec<FuncType>,
    host: Host,
    globals: Vec<i32>,
    table_functions: Vec<u32>,
    boot_type: u32,
}

impl Linked<'_> {
    /// The value of a library's global, where it is known.
    fn value(library: &Library<'_>, global: u32) -> Option<i64> {
        match library.global_at.get(global as usize)? {
            At::Fixed(value) => Some(i64::from(*value)),
            At::Kept(_) => None,
        }
    }

    /// The function that starts all libraries: relocations first, then their constructors.
    fn boot(&self) -> Function {
        let mut body = Function::new([]);
        for library in &self.libraries {
            let start = library.start.map(|start| library.function_at[start as usize]);
            for function in start.into_iter().chain(library.function("__wasm_apply_data_relocs")) {
                body.instructions().call(function);
            }
        }
        for library in &self.libraries {
            if let Some(function) = library.function("_initialize") {
                body.instructions().call(function);
            }
        }
        body.instructions().end();
        body
    }
}

fn emit(linked: &Linked<'_>) -> Result<Vec<u8>> {
    let (mut module, mut plain) = (Module::new(), RoundtripReencoder);
    let mut types = TypeSection::new();
    for of in &linked.types {
        types.ty().func_type(&plain.func_type(of.clone())?);
    }
    module.section(&types);
    let mut imports = ImportSection::new();
    for ((from, name), (of, _)) in &linked.host {
        imports.import(from, name, EntityType::Function(*of));
    }
    module.section(&imports);
    let mut functions = FunctionSection::new();
    let mut count = linked.host.len() as u32;
    for library in &linked.libraries {
        for of in &library.function_types {
            functions.function(library.type_at[*of as usize]);
            count += 1;
        }
    }
    functions.function(linked.boot_type);
    module.section(&functions);
    let slots = u64::from(linked.layout.table_slots) + linked.table_functions.len() as u64;
    let mut tables = TableSection::new();
    tables.table(TableType {
        element_type: RefType::FUNCREF,
        minimum: slots,
        maximum: Some(slots),
        table64: false,
        shared: false,
    });
    module.section(&tables);
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: u64::from(linked.layout.pages),
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    module.section(&memories);
    globals(linked, &mut module);
    exports(linked, &mut module, count);
    elements(linked, &mut module)?;
    module.section(&DataCountSection {
        count: linked.libraries.iter().map(|library| library.data.len() as u32).sum(),
    });
    let mut code = CodeSection::new();
    for library in &linked.libraries {
        for body in &library.bodies {
            Moved(library).parse_function_body(&mut code, body.clone())?;
        }
    }
    code.function(&linked.boot());
    module.section(&code);
    data(linked, &mut module)?;
    Ok(module.finish())
}

/// Writes the globals. All of them can change: they are a part of the state.
fn globals(linked: &Linked<'_>, module: &mut Module) {
    let mut section = GlobalSection::new();
    for value in &linked.globals {
        let of = GlobalType { val_type: wasm_encoder::ValType::I32, mutable: true, shared: false };
        section.global(of, &ConstExpr::i32_const(*value));
    }
    module.section(&section);
}

fn exports(linked: &Linked<'_>, module: &mut Module, boot: u32) {
    const WANTED: &[&str] = &[
        "Py_InitializeEx",
        "PyRun_SimpleString",
        "_Py_SetImmortal",
        "malloc",
        "oikos_install",
        "oikos_ready",
        "oikos_run",
    ];
    let mut section = ExportSection::new();
    section.export("memory", ExportKind::Memory, 0);
    section.export("boot", ExportKind::Func, boot);
    let mut seen = HashSet::new();
    for library in &linked.libraries {
        for export in library.exports.iter().filter(|export| export.kind == ExternalKind::Func) {
            if WANTED.contains(&export.name) && seen.insert(export.name) {
                section.export(export.name, ExportKind::Func, library.function_at[export.index as usize]);
            }
        }
    }
    for global in 0..linked.globals.len() as u32 {
        section.export(&format!("g{global}"), ExportKind::Global, global);
    }
    module.section(&section);
}

fn elements(linked: &Linked<'_>, module: &mut Module) -> Result<()> {
    let mut section = ElementSection::new();
    for library in &linked.libraries {
        for element in &library.elements {
            let (ElementKind::Active { offset_expr, .. }, ElementItems::Functions(functions)) =
                (&element.kind, &element.items)
            else {
                return Err(format!("{} has elements of another kind", library.name).into());
            };
            let offset = constant(offset_expr, |of| Linked::value(library, of))?;
            let mut moved = Vec::new();
            for function in functions.clone() {
                moved.push(library.function_at[function? as usize]);
            }
            section.active(None, &ConstExpr::i32_const(offset as i32), Elements::Functions(moved.into()));
        }
    }
    if !linked.table_functions.is_empty() {
        let offset = ConstExpr::i32_const(linked.layout.table_slots as i32);
        section.active(None, &offset, Elements::Functions(linked.table_functions.clone().into()));
    }
    module.section(&section);
    Ok(())
}

fn data(linked: &Linked<'_>, module: &mut Module) -> Result<()> {
    let mut section = DataSection::new();
    for library in &linked.libraries {
        for piece in &library.data {
            match &piece.kind {
                DataKind::Passive => {
                    section.passive(piece.data.iter().copied());
                }
                DataKind::Active { offset_expr, .. } => {
                    let offset = constant(offset_expr, |of| Linked::value(library, of))?;
                    section.active(0, &ConstExpr::i32_const(offset as i32), piece.data.iter().copied());
                }
            }
        }
    }
    module.section(&section);
    Ok(())
}
