//! The schema of reports is that of the Rust types.

use std::fs;
use std::path::Path;

/// With BLESS in the environment the file is written anew.
#[test]
fn the_schema_of_reports_is_not_stale() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/report.json");
    let schema = serde_json::to_string_pretty(&sixdocker::report::schema()).unwrap() + "\n";
    if std::env::var_os("BLESS").is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, &schema).unwrap();
    }
    let written = fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(written, schema, "run `BLESS=1 cargo test --test report`");
}
