//! The published schemas are those of the Rust types.
//!
//! `UPDATE=1 cargo test --test schema` writes them anew; read the difference before it is
//! committed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::Path;

use serde_json::Value;

fn is_published(name: &str, schema: &Value) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema").join(name);
    let schema = format!("{schema:#}\n");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&file, &schema).unwrap();
    }
    let published = fs::read_to_string(&file).unwrap_or_default();
    assert!(published == schema, "schema/{name} is stale: UPDATE=1 cargo test --test schema");
}

#[test]
fn the_schema_of_manifests_is_not_stale() {
    is_published("manifest.json", &sixdocker::schema::manifest());
}

#[test]
fn the_schema_of_reports_is_not_stale() {
    is_published("report.json", &sixdocker::report::schema());
}
