//! A growing table of rows in copy-on-write pages: a clone shares every page, a change copies one.

use std::sync::Arc;

use imbl::OrdMap;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, SeqAccess, Visitor},
    ser::SerializeSeq,
};

use crate::limits::PAGE_ROWS;

/// Rows by dense number. Cloning costs one pointer per page of [`PAGE_ROWS`] rows.
#[derive(Clone, Debug)]
pub(crate) struct Pages<T> {
    pages: Vec<Arc<Vec<T>>>,
    len: usize,
}

impl<T> Default for Pages<T> {
    fn default() -> Self {
        Self { pages: Vec::new(), len: 0 }
    }
}

impl<T: Clone> Pages<T> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn get(&self, at: usize) -> Option<&T> {
        self.pages.get(at / PAGE_ROWS)?.get(at % PAGE_ROWS)
    }

    pub(crate) fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        Arc::make_mut(self.pages.get_mut(at / PAGE_ROWS)?).get_mut(at % PAGE_ROWS)
    }

    pub(crate) fn push(&mut self, row: T) {
        if self.len.is_multiple_of(PAGE_ROWS) {
            self.pages.push(Arc::new(Vec::with_capacity(PAGE_ROWS)));
        }
        if let Some(page) = self.pages.last_mut() {
            Arc::make_mut(page).push(row);
            self.len += 1;
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.pages.iter().flat_map(|page| page.iter())
    }
}

impl<T: Clone> FromIterator<T> for Pages<T> {
    fn from_iter<I: IntoIterator<Item = T>>(rows: I) -> Self {
        let mut pages = Self::default();
        rows.into_iter().for_each(|row| pages.push(row));
        pages
    }
}

impl<T: Clone + Serialize> Serialize for Pages<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut rows = serializer.serialize_seq(Some(self.len))?;
        self.iter().try_for_each(|row| rows.serialize_element(row))?;
        rows.end()
    }
}

impl<'de, T: Clone + Deserialize<'de>> Deserialize<'de> for Pages<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Rows<T>(std::marker::PhantomData<T>);
        impl<'de, T: Clone + Deserialize<'de>> Visitor<'de> for Rows<T> {
            type Value = Pages<T>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("rows")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut pages = Pages::default();
                while let Some(row) = seq.next_element()? {
                    pages.push(row);
                }
                Ok(pages)
            }
        }
        deserializer.deserialize_seq(Rows(std::marker::PhantomData))
    }
}

/// Reads a map entry by entry, so that nothing is taken for the length that it announces.
pub(crate) fn map_by_entry<'de, D, K, V>(deserializer: D) -> Result<OrdMap<K, V>, D::Error>
where
    D: Deserializer<'de>,
    K: Ord + Clone + Deserialize<'de>,
    V: Clone + Deserialize<'de>,
{
    struct Entries<K, V>(std::marker::PhantomData<(K, V)>);
    impl<'de, K, V> Visitor<'de> for Entries<K, V>
    where
        K: Ord + Clone + Deserialize<'de>,
        V: Clone + Deserialize<'de>,
    {
        type Value = OrdMap<K, V>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("entries")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
            let mut map = OrdMap::new();
            while let Some((key, value)) = entries.next_entry()? {
                map.insert(key, value);
            }
            Ok(map)
        }
    }
    deserializer.deserialize_map(Entries(std::marker::PhantomData))
}

/// A map from ids to handles, as a hash table in copy-on-write pages. Ids are never removed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    /// Handles plus one; zero is a free slot. The length is a power of two, or zero.
    slots: Pages<u32>,
    used: usize,
}

impl Index {
    /// The handle of an id; `id_of` gives the id of a handle.
    pub(crate) fn find<'a>(&self, id: &str, id_of: impl Fn(u32) -> Option<&'a str>) -> Option<u32> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut at = hash(id) & mask;
        loop {
            let handle = self.slots.get(at)?.checked_sub(1)?;
            if id_of(handle) == Some(id) {
                return Some(handle);
            }
            at = (at + 1) & mask;
        }
    }

    /// Adds an id that is not there yet.
    pub(crate) fn insert<'a>(&mut self, id: &str, handle: u32, id_of: impl Fn(u32) -> Option<&'a str>) {
        // At most half full, so that a probe ends soon and always.
        if (self.used + 1) * 2 > self.slots.len() {
            let size = (self.slots.len() * 2).max(PAGE_ROWS);
            let old = std::mem::replace(self, Self { slots: (0..size).map(|_| 0).collect(), used: 0 });
            for slot in old.slots.iter().filter_map(|slot| slot.checked_sub(1)) {
                if let Some(id) = id_of(slot) {
                    self.place(id, slot);
                }
            }
        }
        self.place(id, handle);
    }

    fn place(&mut self, id: &str, handle: u32) {
        let mask = self.slots.len() - 1;
        let mut at = hash(id) & mask;
        while self.slots.get(at).is_some_and(|slot| *slot != 0) {
            at = (at + 1) & mask;
        }
        if let Some(slot) = self.slots.get_mut(at) {
            *slot = handle + 1;
            self.used += 1;
        }
    }
}

fn hash(id: &str) -> usize {
    use std::hash::Hasher as _;
    let mut hasher = rustc_hash::FxHasher::default();
    hasher.write(id.as_bytes());
    usize::try_from(hasher.finish() & 0xffff_ffff_ffff).unwrap_or(0)
}
