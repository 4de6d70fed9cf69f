//! Tables as Parquet: rows are gathered into groups of a bounded size, in which each column is written by itself.

use std::sync::Arc;

use parquet::{
    basic::{Compression, Encoding, LogicalType, Repetition, TimeUnit, Type as Physical, ZstdLevel},
    data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type},
    errors::ParquetError,
    file::{
        properties::{EnabledStatistics, WriterProperties},
        writer::{SerializedFileWriter, SerializedRowGroupWriter},
    },
    schema::types::{ColumnPath, Type},
};

use crate::{Column, Kind, Value, beside::Partial};

/// Rows of a group.
const GROUP_ROWS: usize = 122_880;
/// Bytes of a group as it is gathered; one row may go beyond.
const GROUP_BYTES: usize = 8 << 20;
/// Bytes that a value takes beside its text, about.
const VALUE_BYTES: usize = 10;

/// A table in columns.
pub(crate) struct Columns {
    writer: SerializedFileWriter<Partial>,
    gathered: Vec<Gathered>,
    rows: usize,
    bytes: usize,
}

impl std::fmt::Debug for Columns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Columns")
            .field("rows", &self.rows)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

/// The values of one column in the group that is gathered.
struct Gathered {
    /// Of each row whether it has a value, as Parquet's definition levels; empty where every row has.
    levels: Vec<i16>,
    values: Values,
    is_nullable: bool,
}

enum Values {
    Numbers(Vec<i64>),
    Floats(Vec<f64>),
    Bools(Vec<bool>),
    /// All texts together, and where each ends.
    Texts(Vec<u8>, Vec<usize>),
}

impl Columns {
    pub(crate) fn begin(file: Partial, columns: &[Column]) -> Result<Self, String> {
        let begun = schema(columns).and_then(|schema| {
            SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties(columns)?))
        });
        let gathered = columns.iter().map(Gathered::of).collect();
        Ok(Self { writer: begun.map_err(words)?, gathered, rows: 0, bytes: 0 })
    }

    pub(crate) fn push(&mut self, row: &[Value<'_>]) -> Result<(), String> {
        for (gathered, value) in self.gathered.iter_mut().zip(row) {
            self.bytes += VALUE_BYTES + gathered.push(value);
        }
        self.rows += 1;
        if self.rows == GROUP_ROWS || self.bytes >= GROUP_BYTES {
            self.write_group().map_err(words)?;
        }
        Ok(())
    }

    fn write_group(&mut self) -> Result<(), ParquetError> {
        let mut group = self.writer.next_row_group()?;
        for gathered in &mut self.gathered {
            gathered.write(&mut group)?;
        }
        (self.rows, self.bytes) = (0, 0);
        group.close().map(drop)
    }

    pub(crate) fn finish(mut self) -> Result<Partial, String> {
        if self.rows > 0 {
            self.write_group().map_err(words)?;
        }
        self.writer.into_inner().map_err(words)
    }
}

impl Gathered {
    fn of(column: &Column) -> Self {
        let values = match column.kind {
            Kind::Int | Kind::Time => Values::Numbers(Vec::new()),
            Kind::Float => Values::Floats(Vec::new()),
            Kind::Bool => Values::Bools(Vec::new()),
            Kind::Text | Kind::Word => Values::Texts(Vec::new(), Vec::new()),
        };
        Self { levels: Vec::new(), values, is_nullable: column.is_nullable }
    }

    /// Takes a value; the bytes of its text.
    fn push(&mut self, value: &Value<'_>) -> usize {
        if self.is_nullable {
            self.levels.push(i16::from(*value != Value::Null));
        }
        match (&mut self.values, value) {
            (_, Value::Null) => (),
            (Values::Numbers(values), Value::Int(number) | Value::Time(number)) => values.push(*number),
            (Values::Floats(values), Value::Float(number)) => values.push(*number),
            (Values::Bools(values), Value::Bool(is)) => values.push(*is),
            (Values::Texts(bytes, ends), Value::Text(text)) => {
                bytes.extend_from_slice(text.as_bytes());
                ends.push(bytes.len());
                return text.len();
            }
            (
                Values::Numbers(_) | Values::Floats(_) | Values::Bools(_) | Values::Texts(..),
                Value::Int(_) | Value::Float(_) | Value::Text(_) | Value::Bool(_) | Value::Time(_),
            ) => unreachable!("a table takes only values of its columns"),
        }
        0
    }

    /// Writes the next column of a group, and forgets its values.
    fn write(&mut self, group: &mut SerializedRowGroupWriter<'_, Partial>) -> Result<(), ParquetError> {
        let levels = std::mem::take(&mut self.levels);
        let levels = self.is_nullable.then_some(levels.as_slice());
        match &mut self.values {
            Values::Numbers(values) => write_column::<Int64Type>(group, values, levels)?,
            Values::Floats(values) => write_column::<DoubleType>(group, values, levels)?,
            Values::Bools(values) => write_column::<BoolType>(group, values, levels)?,
            Values::Texts(bytes, ends) => {
                let bytes = ByteArray::from(std::mem::take(bytes));
                let mut begin = 0;
                let slice = |end| {
                    let text = bytes.slice(begin, end - begin);
                    begin = end;
                    text
                };
                let mut values = ends.drain(..).map(slice).collect();
                write_column::<ByteArrayType>(group, &mut values, levels)?;
            }
        }
        Ok(())
    }
}

fn write_column<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, Partial>,
    values: &mut Vec<T::T>,
    levels: Option<&[i16]>,
) -> Result<(), ParquetError> {
    let missing = || ParquetError::General("a row has more values than the table has columns".into());
    let mut column = group.next_column()?.ok_or_else(missing)?;
    column.typed::<T>().write_batch(values, levels, None)?;
    values.clear();
    column.close()
}

fn schema(columns: &[Column]) -> Result<Type, ParquetError> {
    let field = |column: &Column| {
        let (physical, logical) = match column.kind {
            Kind::Int => (Physical::INT64, None),
            Kind::Float => (Physical::DOUBLE, None),
            Kind::Bool => (Physical::BOOLEAN, None),
            Kind::Text | Kind::Word => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            Kind::Time => (Physical::INT64, Some(LogicalType::timestamp(true, TimeUnit::MILLIS))),
        };
        let repetition = if column.is_nullable { Repetition::OPTIONAL } else { Repetition::REQUIRED };
        let field = Type::primitive_type_builder(&column.name, physical);
        field.with_repetition(repetition).with_logical_type(logical).build().map(Arc::new)
    };
    let fields = columns.iter().map(field).collect::<Result<_, _>>()?;
    Type::group_type_builder("schema").with_fields(fields).build()
}

fn properties(columns: &[Column]) -> Result<WriterProperties, ParquetError> {
    let mut properties = WriterProperties::builder()
        .set_created_by("oikos".into())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .set_max_row_group_row_count(None);
    for column in columns {
        let path = ColumnPath::new(vec![column.name.clone()]);
        properties = match column.kind {
            Kind::Int | Kind::Time => properties
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED),
            Kind::Word => properties.set_column_dictionary_enabled(path, true),
            Kind::Float | Kind::Bool | Kind::Text => properties.set_column_dictionary_enabled(path, false),
        };
    }
    Ok(properties.build())
}

fn words(error: ParquetError) -> String {
    match error {
        ParquetError::External(error) => error.to_string(),
        error => error.to_string(),
    }
}
