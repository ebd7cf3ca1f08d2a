//! Compiles the contracts, and the table of their rules, without `protoc`.

// Cargo speaks to build scripts through the environment.
#![allow(clippy::disallowed_methods)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::{Context, Result, bail};
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, MethodDescriptor, Value};

fn main() -> Result<()> {
    println!("cargo:rerun-if-changed=millrace");
    let out = PathBuf::from(env::var("OUT_DIR")?);

    let mut compiler = protox::Compiler::new(["."])?;
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files(proto_files(Path::new("millrace"))?)?;

    // The encoded set keeps the method options, which the types of `prost-types` drop.
    fs::write(out.join("descriptors.bin"), compiler.encode_file_descriptor_set())?;
    fs::write(out.join("rules.rs"), rules(&compiler.descriptor_pool())?)?;
    tonic_prost_build::configure().compile_well_known_types(false).compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}

fn proto_files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(proto_files(&path)?);
        } else if path.extension().is_some_and(|e| e == "proto") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Writes the table of method rules, and fails naming every method whose rule is missing or names no field.
fn rules(pool: &DescriptorPool) -> Result<String> {
    let mut table = String::from("&[\n");
    let mut problems = Vec::new();
    for method in pool.services().flat_map(|s| s.methods().collect::<Vec<_>>()) {
        match rule(pool, &method) {
            Ok(line) => table.push_str(&line),
            Err(problem) => problems.push(format!("{}: {problem:#}", method.full_name())),
        }
    }
    if !problems.is_empty() {
        bail!("methods without a usable (millrace.options.v1.rule):\n  {}", problems.join("\n  "));
    }
    table.push(']');
    Ok(table)
}

fn rule(pool: &DescriptorPool, method: &MethodDescriptor) -> Result<String> {
    let extension = pool.get_extension_by_name("millrace.options.v1.rule").context("the option is not declared")?;
    let options = method.options();
    if !options.has_extension(&extension) {
        bail!("it has none");
    }
    let value = options.get_extension(&extension);
    let rule = value.as_message().context("it is no message")?;
    let access = match (text(rule, "permission"), rule.get_field_by_name("public").and_then(|v| v.as_bool())) {
        (permission, Some(false) | None) if permission.contains('.') => format!("Access::Permission({permission:?})"),
        (permission, Some(true)) if permission.is_empty() => "Access::Public".to_owned(),
        _ => bail!("it must have a permission `<things>.<verb>`, or be public"),
    };
    let resource = text(rule, "resource");
    if !resource.is_empty() {
        check_field(&method.input(), &resource)?;
    }
    let mut line = String::new();
    writeln!(
        line,
        "    MethodRule {{ path: \"/{}/{}\", access: {access}, resource: {resource:?}, client_streaming: {}, server_streaming: {} }},",
        method.parent_service().full_name(),
        method.name(),
        method.is_client_streaming(),
        method.is_server_streaming(),
    )?;
    Ok(line)
}

fn text(message: &DynamicMessage, field: &str) -> String {
    message.get_field_by_name(field).as_deref().and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn check_field(input: &MessageDescriptor, path: &str) -> Result<()> {
    let mut message = input.clone();
    let mut steps = path.split('.').peekable();
    while let Some(step) = steps.next() {
        let field = message.get_field_by_name(step).with_context(|| format!("`{path}` is no field of its request"))?;
        match (field.kind(), steps.peek()) {
            (prost_reflect::Kind::String, None) => return Ok(()),
            (prost_reflect::Kind::Message(inner), Some(_)) => message = inner,
            _ => bail!("`{path}` is no text field of its request"),
        }
    }
    bail!("`{path}` is no text field of its request")
}
