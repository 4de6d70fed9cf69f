//! Boots the runtime and prints the hash of its snapshot: after a change of what is booted, it goes into
//! `src/snapshot.sha256`.

fn main() {
    match oikos_python::boot_hash() {
        Ok(hash) => println!("{hash}"),
        Err(error) => {
            eprintln!("error: {error}");
            std::process::exit(1);
        }
    }
}
