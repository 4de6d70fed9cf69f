//! The artifacts of a world as bytes: what many of them have alike stands there once.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{SeqAccess, Visitor},
    ser::SerializeSeq,
};

use crate::{artifact::Artifact, json::Json, pages::Pages};

/// A value, or the place of the first artifact that has the same.
#[derive(Clone, Copy, Serialize, Deserialize)]
enum Once<T> {
    Own(T),
    As(u32),
}

/// An artifact without the values that others may have too, and these.
type Row<A, C, J> = (A, Once<C>, [Once<J>; 3]);

/// Writes artifacts, and of equal values only the first: of code among all of them, of content, interface and
/// metadata among those that follow one another.
pub(super) fn serialize<S: Serializer>(
    artifacts: &Pages<Arc<Artifact>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut codes: FxHashMap<Option<&str>, u32> = FxHashMap::default();
    let mut before: Option<(&Artifact, u32, [u32; 3])> = None;
    let mut rows = serializer.serialize_seq(Some(artifacts.len()))?;
    for (artifact, at) in artifacts.iter().zip(0_u32..) {
        let same_code =
            before.filter(|(last, ..)| is_shared(&last.code, &artifact.code)).map(|(_, at, _)| at);
        let first = same_code.unwrap_or_else(|| *codes.entry(artifact.code.as_deref()).or_insert(at));
        let mut firsts = [at; 3];
        if let Some((last, _, theirs)) = before {
            for ((mine, last), (first, before)) in
                values(artifact).into_iter().zip(values(last)).zip(firsts.iter_mut().zip(theirs))
            {
                if mine == last {
                    *first = before;
                }
            }
        }
        let [content, interface, metadata] = values(artifact);
        let once = |value, first| if first == at { Once::Own(value) } else { Once::As(first) };
        let [of_content, of_interface, of_metadata] = firsts;
        let row: Row<&Artifact, &Option<Arc<str>>, &Json> = (
            artifact,
            if first == at { Once::Own(&artifact.code) } else { Once::As(first) },
            [once(content, of_content), once(interface, of_interface), once(metadata, of_metadata)],
        );
        rows.serialize_element(&row)?;
        before = Some((artifact, first, firsts));
    }
    rows.end()
}

fn values(artifact: &Artifact) -> [&Json; 3] {
    [&artifact.content, &artifact.interface, &artifact.metadata]
}

/// Whether two lie at one place: an answer that costs nothing, and is no only when it is worth a look.
fn is_shared(one: &Option<Arc<str>>, other: &Option<Arc<str>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// Reads what [`serialize`] wrote.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Pages<Arc<Artifact>>, D::Error> {
    struct Rows;

    impl<'de> Visitor<'de> for Rows {
        type Value = Pages<Arc<Artifact>>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("artifacts")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut artifacts = Pages::default();
            while let Some(row) = seq.next_element::<Row<Artifact, Option<Arc<str>>, Json>>()? {
                let (mut artifact, code, [content, interface, metadata]) = row;
                artifact.code = found(code, &artifacts, |first| &first.code)?;
                artifact.content = found(content, &artifacts, |first| &first.content)?;
                artifact.interface = found(interface, &artifacts, |first| &first.interface)?;
                artifact.metadata = found(metadata, &artifacts, |first| &first.metadata)?;
                artifacts.push(Arc::new(artifact));
            }
            Ok(artifacts)
        }
    }

    fn found<T: Clone, E: serde::de::Error>(
        value: Once<T>,
        artifacts: &Pages<Arc<Artifact>>,
        of: impl Fn(&Artifact) -> &T,
    ) -> Result<T, E> {
        match value {
            Once::Own(value) => Ok(value),
            Once::As(first) => {
                let first = artifacts.get(first as usize).ok_or_else(|| E::custom("a value of nobody's"))?;
                Ok(of(first).clone())
            }
        }
    }

    deserializer.deserialize_seq(Rows)
}
