//! Tables: the same rows in each format, to the byte in text, and read back from Parquet.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, path::Path};

use oikos_tables::{Column, Format, Kind, Table, Value};
use parquet::{
    basic::Encoding,
    file::reader::{FileReader, SerializedFileReader},
    record::Field,
};

/// A column of each kind that a row may lack, after one that it may not.
fn columns() -> Vec<Column> {
    let nullable = [
        ("whole", Kind::Int),
        ("broken", Kind::Float),
        ("text", Kind::Text),
        ("id", Kind::Word),
        ("is", Kind::Bool),
        ("time", Kind::Time),
    ];
    let mut columns = vec![Column::new("n", Kind::Int)];
    columns.extend(nullable.map(|(name, kind)| Column::nullable(name, kind)));
    columns
}

/// Rows in which something could go wrong.
fn rows() -> Vec<[Value<'static>; 7]> {
    use Value::{Bool, Float, Int, Null, Text, Time};
    let last = 253_402_207_200_000;
    vec![
        [Int(0), Int(i64::MAX), Float(0.1), Text("plain"), Text("ann"), Bool(true), Time(0)],
        [Int(1), Int(i64::MIN), Float(-0.0), Text(""), Text(""), Bool(false), Time(last)],
        [Int(2), Null, Null, Null, Null, Null, Null],
        [Int(3), Int(-1), Float(5e-324), Text("a,b"), Text("ann"), Null, Time(1)],
        [Int(4), Int(0), Float(f64::MAX), Text("say \"a\""), Null, Bool(true), Time(-1)],
        [Int(5), Int(1 << 53), Float(1e16), Text("two\nlines\r"), Text("bea"), Null, Null],
        [Int(6), Int((1 << 53) + 1), Float(f64::NAN), Text(" ä 🦀 "), Text("ä"), Null, Null],
        [Int(7), Null, Float(f64::NEG_INFINITY), Text("\0\t"), Null, Null, Null],
    ]
}

fn write(path: &Path, format: Format, columns: Vec<Column>, rows: &[[Value<'_>; 7]]) -> Vec<u8> {
    let mut table = Table::create(path, format, columns).unwrap();
    for row in rows {
        table.push(row).unwrap();
    }
    assert_eq!(table.finish().unwrap(), rows.len() as u64);
    fs::read(path).unwrap()
}

#[test]
fn text_is_written_to_the_byte() {
    let folder = tempfile::tempdir().unwrap();
    for (format, expected) in [
        (
            Format::Csv,
            concat!(
                "n,whole,broken,text,id,is,time\n",
                "0,9223372036854775807,0.1,plain,ann,true,1970-01-01T00:00:00.000Z\n",
                "1,-9223372036854775808,-0.0,\"\",\"\",false,9999-12-30T22:00:00.000Z\n",
                "2,,,,,,\n",
                "3,-1,5e-324,\"a,b\",ann,,1970-01-01T00:00:00.001Z\n",
                "4,0,1.7976931348623157e308,\"say \"\"a\"\"\",,true,1969-12-31T23:59:59.999Z\n",
                "5,9007199254740992,1e16,\"two\nlines\r\",bea,,\n",
                "6,9007199254740993,NaN,\" ä 🦀 \",ä,,\n",
                "7,,-inf,\0\t,,,\n",
            ),
        ),
        (
            Format::Jsonl,
            concat!(
                r#"{"n":0,"whole":9223372036854775807,"broken":0.1,"text":"plain","id":"ann","is":true,"#,
                r#""time":"1970-01-01T00:00:00.000Z"}"#,
                "\n",
                r#"{"n":1,"whole":-9223372036854775808,"broken":-0.0,"text":"","id":"","is":false,"#,
                r#""time":"9999-12-30T22:00:00.000Z"}"#,
                "\n",
                r#"{"n":2,"whole":null,"broken":null,"text":null,"id":null,"is":null,"time":null}"#,
                "\n",
                r#"{"n":3,"whole":-1,"broken":5e-324,"text":"a,b","id":"ann","is":null,"#,
                r#""time":"1970-01-01T00:00:00.001Z"}"#,
                "\n",
                r#"{"n":4,"whole":0,"broken":1.7976931348623157e+308,"text":"say \"a\"","id":null,"#,
                r#""is":true,"time":"1969-12-31T23:59:59.999Z"}"#,
                "\n",
                r#"{"n":5,"whole":9007199254740992,"broken":1e+16,"text":"two\nlines\r","id":"bea","#,
                r#""is":null,"time":null}"#,
                "\n",
                r#"{"n":6,"whole":9007199254740993,"broken":null,"text":" ä 🦀 ","id":"ä","is":null,"#,
                r#""time":null}"#,
                "\n",
                r#"{"n":7,"whole":null,"broken":null,"text":"\u0000\t","id":null,"is":null,"time":null}"#,
                "\n",
            ),
        ),
    ] {
        let path = folder.path().join("t").with_extension(format.name());
        let bytes = write(&path, format, columns(), &rows());
        assert_eq!(String::from_utf8(bytes).unwrap(), expected, "{format:?}");
    }
}

#[test]
fn a_column_alone_has_a_line_for_each_row() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    let mut table = Table::create(&path, Format::Csv, vec![Column::nullable("a", Kind::Text)]).unwrap();
    for value in [Value::Text("x"), Value::Null, Value::Text("")] {
        table.push(&[value]).unwrap();
    }
    table.finish().unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "a\nx\nNULL\n\"\"\n");
}

fn same(field: &Field, value: &Value<'_>) -> bool {
    match (field, value) {
        (Field::Null, Value::Null) => true,
        (Field::Long(read), Value::Int(written)) => read == written,
        (Field::Double(read), Value::Float(written)) => read.to_bits() == written.to_bits(),
        (Field::Str(read), Value::Text(written)) => read == written,
        (Field::Bool(read), Value::Bool(written)) => read == written,
        (Field::TimestampMillis(read), Value::Time(written)) => read == written,
        (_, _) => false,
    }
}

#[test]
fn parquet_gives_back_every_bit_and_is_the_same_bytes_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    // Enough for several groups.
    let wanted = 300_000;
    let some = rows();
    let many: Vec<[Value<'_>; 7]> = some.iter().copied().cycle().take(wanted).collect();
    let bytes = write(&path, Format::Parquet, columns(), &many);
    assert_eq!(write(&path, Format::Parquet, columns(), &many), bytes, "the same rows make the same bytes");
    let reader = SerializedFileReader::try_from(path.as_path()).unwrap();
    let metadata = reader.metadata();
    assert_eq!(metadata.file_metadata().created_by(), Some("oikos"));
    assert!(metadata.file_metadata().key_value_metadata().is_none_or(Vec::is_empty));
    assert!(metadata.num_row_groups() > 2, "{}", metadata.num_row_groups());
    for group in metadata.row_groups() {
        assert!(group.column(4).encodings().any(|encoding| encoding == Encoding::RLE_DICTIONARY));
    }
    let mut read = 0;
    for (row, written) in reader.get_row_iter(None).unwrap().zip(&many) {
        let row = row.unwrap();
        for ((name, field), value) in row.get_column_iter().zip(written) {
            assert!(same(field, value), "{name}: {field:?} is not {value:?}");
        }
        read += 1;
    }
    assert_eq!(read, wanted);
}

#[test]
fn a_table_without_rows_is_one_too() {
    let folder = tempfile::tempdir().unwrap();
    for (format, text) in [
        (Format::Csv, Some("n,whole,broken,text,id,is,time\n")),
        (Format::Jsonl, Some("")),
        (Format::Parquet, None),
    ] {
        let path = folder.path().join("t").with_extension(format.name());
        let bytes = write(&path, format, columns(), &[]);
        match text {
            Some(text) => assert_eq!(bytes, text.as_bytes()),
            None => {
                let reader = SerializedFileReader::try_from(path.as_path()).unwrap();
                assert_eq!(reader.metadata().file_metadata().num_rows(), 0);
                assert_eq!(reader.metadata().file_metadata().schema_descr().num_columns(), 7);
            }
        }
    }
}

#[test]
fn a_file_has_its_name_only_when_it_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    for format in Format::ALL {
        let path = folder.path().join("t").with_extension(format.name());
        fs::write(&path, "before").unwrap();
        let mut table = Table::create(&path, format, columns()).unwrap();
        table.push(&rows()[0]).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"before");
        drop(table);
        assert_eq!(fs::read(&path).unwrap(), b"before", "{format:?} was given up");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "{format:?} leaves nothing beside");
        let after = write(&path, format, columns(), &rows());
        assert_ne!(after, b"before");
        fs::remove_file(&path).unwrap();
    }
    let nowhere = folder.path().join("none/t.csv");
    let error = Table::create(&nowhere, Format::Csv, columns()).expect_err("there is no such folder");
    assert!(error.to_string().contains("none/t.csv` can't be written: "), "{error}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_an_error_and_no_file() {
    let folder = tempfile::tempdir().unwrap();
    for format in Format::ALL {
        let path = folder.path().join("t").with_extension(format.name());
        let beside = folder.path().join(format!("t.{}.partial", format.name()));
        std::os::unix::fs::symlink("/dev/full", beside).unwrap();
        let table = Table::create(&path, format, columns()).unwrap();
        let many = rows().into_iter().cycle().take(300_000);
        let written = many.clone().try_fold(table, |mut table, row| table.push(&row).map(|()| table));
        let error = written.and_then(Table::finish).expect_err("nothing can be written");
        assert!(error.to_string().contains("No space left"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{format:?} leaves nothing");
    }
}

#[test]
#[should_panic(expected = "is none of the values of the column `n`")]
fn a_value_that_is_not_of_its_column_stops() {
    let folder = tempfile::tempdir().unwrap();
    let mut table = Table::create(&folder.path().join("t.csv"), Format::Csv, columns()).unwrap();
    let mut row = rows()[0];
    row[0] = Value::Null;
    drop(table.push(&row));
}
