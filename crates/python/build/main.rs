//! Links CPython's libraries into one module, and packs its standard library.

#[path = "../src/cards.rs"]
#[expect(dead_code, reason = "the runtime uses more of it")]
mod cards;
#[path = "library.rs"]
mod library;
#[path = "link.rs"]
#[expect(clippy::indexing_slicing, reason = "a library with an index that leads nowhere stops the build")]
mod link;
#[path = "marks.rs"]
mod marks;

use std::{
    error::Error,
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

/// The libraries that are linked, in the order in which they are initialised; the glue stands before them.
const LIBRARIES: &[&str] = &[
    "libc.so",
    "libwasi-emulated-signal.so",
    "libwasi-emulated-getpid.so",
    "libwasi-emulated-process-clocks.so",
    "libpython3.14.so",
];

/// How hard the module and the library are packed: beyond it little is gained for much time.
const ZSTD_LEVEL: i32 = 12;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build");
    println!("cargo:rerun-if-changed=src/cards.rs");
    println!("cargo:rerun-if-changed=guest");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    let pylib = Path::new(rustpython_pylib::LIB_PATH);
    let library = library::pack(pylib)?;
    let glue = wat::parse_file("guest/glue.wat")?;
    let folder = binaries(pylib)?;
    let mut parts = vec![("glue".to_owned(), glue)];
    for name in LIBRARIES {
        let packed = std::fs::read(folder.join(format!("{name}.zst")))?;
        parts.push(((*name).to_owned(), zstd::decode_all(packed.as_slice())?));
    }
    let module = marks::mark(&link::link(&parts)?)?;
    let mut hash = Sha256::new();
    for bytes in [&module, &library] {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    }
    for script in ["boot.py", "surroundings.py", "driver.py"] {
        let text = std::fs::read(Path::new("guest").join(script))?;
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(&text);
    }
    let hash: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    println!("cargo:rustc-env=OIKOS_PYTHON_SOURCES={hash}");
    std::fs::write(out.join("cpython.wasm.zst"), zstd::encode_all(module.as_slice(), ZSTD_LEVEL)?)?;
    std::fs::write(out.join("library.zst"), zstd::encode_all(library.as_slice(), ZSTD_LEVEL)?)?;
    Ok(())
}

/// The folder of CPython's libraries. They come with a package whose crate does not say where it lies; it lies
/// beside that of the standard library, wherever packages are kept.
fn binaries(pylib: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let packages = pylib.parent().and_then(Path::parent).ok_or("the standard library stands in no folder")?;
    let names = ["eryx-runtime-0.5.0", "eryx-runtime"];
    let found = names.iter().map(|name| packages.join(name).join("libs")).find(|folder| folder.is_dir());
    found.ok_or_else(|| {
        format!("CPython's libraries are not in {}: looked for {}", packages.display(), names.join(", "))
            .into()
    })
}
