//! One boot of the interpreter, from its first instruction to the snapshot.

use std::collections::BTreeMap;

use wasmtime::{
    Caller, Engine, ExternType, Instance, Linker, Memory, Module, Store, TypedFunc, Val, WasmParams,
    WasmResults,
};

use crate::{
    Error, Stage, image,
    snapshot::{self, State},
    wasi::{self, Guest, Host},
};

/// All that a snapshot keeps of the exports.
const KEPT: &[&str] = &["memory", "cards", "oikos_run"];

/// Told by the boot script, before the addresses of the objects that are to be immortal.
const IDS: &[u8] = b"ids";

/// Boots, and answers with the snapshot: a module that begins where the boot ended.
pub(crate) fn boot(engine: &Engine, tell: &mut dyn FnMut(Stage)) -> Result<Vec<u8>, Error> {
    tell(Stage::Compiling);
    let wasm = image::cpython()?;
    let module = Module::from_binary(engine, &wasm).map_err(|error| Error::Boot(format!("{error:#}")))?;
    tell(Stage::Booting);
    let mut booting = Booting::new(engine, &module)?;
    match booting.run() {
        Ok(()) => {}
        Err(error) => {
            let printed = String::from_utf8_lossy(&booting.store.data().printed).into_owned();
            return Err(Error::Boot(format!("{error:#}\n{printed}")));
        }
    }
    let globals = booting.globals(&module)?;
    let memory = booting.memory.data(&booting.store);
    snapshot::write(&wasm, &State { memory, globals }, KEPT).map_err(Error::Boot)
}

struct Booting {
    store: Store<Host>,
    instance: Instance,
    memory: Memory,
}

impl Booting {
    fn new(engine: &Engine, module: &Module) -> Result<Self, Error> {
        let failed = |error: wasmtime::Error| Error::Boot(format!("{error:#}"));
        let mut store = Store::new(engine, Host::new(image::library()?));
        store.set_fuel(u64::MAX).map_err(failed)?;
        let mut linker = Linker::new(engine);
        wasi::define(&mut linker).map_err(failed)?;
        calls(&mut linker).map_err(failed)?;
        naps(&mut linker, module).map_err(failed)?;
        linker.define_unknown_imports_as_traps(module).map_err(failed)?;
        let instance = linker.instantiate(&mut store, module).map_err(failed)?;
        let memory = instance.get_memory(&mut store, "memory");
        let memory = memory.ok_or_else(|| Error::Boot("it has no memory".into()))?;
        Ok(Self { store, instance, memory })
    }

    fn run(&mut self) -> wasmtime::Result<()> {
        self.function::<(), ()>("boot")?.call(&mut self.store, ())?;
        self.function::<i32, ()>("Py_InitializeEx")?.call(&mut self.store, 0)?;
        self.function::<(), ()>("oikos_install")?.call(&mut self.store, ())?;
        let scripts = [(image::BOOT, "<boot>"), (image::SURROUNDINGS, "<oikos>"), (image::DRIVER, "<oikos>")];
        for (text, file) in scripts {
            self.script(&named(text, file))?;
        }
        for script in ["_boot_warm()", "_boot_ids()"] {
            self.script(script)?;
        }
        let ready = self.function::<(), i32>("oikos_ready")?.call(&mut self.store, ())?;
        if ready == 0 {
            wasmtime::bail!("the driver script sets no `builtins._oikos_driver`");
        }
        self.make_immortal()?;
        self.script("_boot_seal()")
    }

    /// Objects that never die need no counting of references: the pages that hold them stay shared.
    fn make_immortal(&mut self) -> wasmtime::Result<()> {
        let called = std::mem::take(&mut self.store.data_mut().called);
        let Some(ids) = called.strip_prefix(IDS) else { wasmtime::bail!("the boot script tells no objects") };
        let immortal = self.function::<i32, ()>("_Py_SetImmortal")?;
        for id in ids.as_chunks::<4>().0 {
            immortal.call(&mut self.store, i32::from_le_bytes(*id))?;
        }
        Ok(())
    }

    fn script(&mut self, text: &str) -> wasmtime::Result<()> {
        let bytes = format!("{text}\0");
        let length = i32::try_from(bytes.len())?;
        let at = self.function::<i32, i32>("malloc")?.call(&mut self.store, length)?;
        self.memory.write(&mut self.store, at.cast_unsigned() as usize, bytes.as_bytes())?;
        let failed = self.function::<i32, i32>("PyRun_SimpleString")?.call(&mut self.store, at)?;
        if failed != 0 {
            wasmtime::bail!("a boot script failed");
        }
        Ok(())
    }

    fn function<P: WasmParams, R: WasmResults>(&mut self, name: &str) -> wasmtime::Result<TypedFunc<P, R>> {
        self.instance.get_typed_func(&mut self.store, name)
    }

    /// The globals that can change: the module exports each as `g` and its index.
    fn globals(&mut self, module: &Module) -> Result<BTreeMap<u32, i32>, Error> {
        let mut globals = BTreeMap::new();
        for export in module.exports() {
            let Some(index) = export.name().strip_prefix('g').and_then(|index| index.parse().ok()) else {
                continue;
            };
            let value = self.instance.get_global(&mut self.store, export.name());
            match value.map(|global| global.get(&mut self.store)) {
                Some(Val::I32(value)) => globals.insert(index, value),
                _ => return Err(Error::Boot(format!("the global {} is no i32", export.name()))),
            };
        }
        Ok(globals)
    }
}

/// A script whose frames bear the name of its file.
fn named(text: &str, file: &str) -> String {
    let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("exec(compile(bytes.fromhex('{hex}'), '{file}', 'exec'))")
}

/// The host's side of the glue during a boot: calls are kept, and answered with nothing.
fn calls(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "oikos",
        "call",
        |mut caller: Caller<'_, Host>, at: i32, length: i32| -> wasmtime::Result<i32> {
            let mut guest = Guest::new(&mut caller).map_err(bad)?;
            let called = guest.read(at, length.cast_unsigned() as usize).map_err(bad)?.to_vec();
            guest.host().called = called;
            Ok(0)
        },
    )?;
    linker.func_wrap("oikos", "take", |_: i32| {})?;
    linker.func_wrap("oikos", "give", |_: i32, _: i32| {})?;
    Ok(())
}

fn bad(errno: i32) -> wasmtime::Error {
    wasmtime::format_err!("the guest passed a bad pointer ({errno})")
}

/// C's library sleeps, where it does at a boot, by clocks and polls of its own: every one is due at once.
fn naps(linker: &mut Linker<Host>, module: &Module) -> wasmtime::Result<()> {
    for import in module.imports() {
        let clock =
            import.module().starts_with("wasi:clocks/") || import.module().starts_with("wasi:io/poll");
        let (ExternType::Func(of), true) = (import.ty(), clock) else { continue };
        if import.name() == "poll" {
            linker.func_wrap(
                import.module(),
                "poll",
                |mut caller: Caller<'_, Host>, _: i32, _: i32, out: i32| ready(&mut caller, out),
            )?;
            continue;
        }
        linker.func_new(import.module(), import.name(), of, |_, _, results| {
            for result in results {
                *result = Val::I32(1);
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// Answers a poll: the first of its list is ready.
fn ready(caller: &mut Caller<'_, Host>, out: i32) -> wasmtime::Result<()> {
    let malloc = caller.get_export("malloc").and_then(wasmtime::Extern::into_func);
    let malloc =
        malloc.ok_or_else(|| wasmtime::format_err!("there is no malloc"))?.typed::<i32, i32>(&mut *caller)?;
    let list = malloc.call(&mut *caller, 8)?;
    let mut guest = Guest::new(caller).map_err(bad)?;
    guest.write(list, &0_i32.to_le_bytes()).map_err(bad)?;
    guest.write(out, &list.to_le_bytes()).map_err(bad)?;
    guest.write(out + 4, &1_i32.to_le_bytes()).map_err(bad)
}
