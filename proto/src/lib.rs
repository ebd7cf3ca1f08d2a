//! The contracts of Millrace, generated from `proto/millrace/`, and the rule of each method.
//!
//! Nothing here is written by hand but the shape of the rule table; the comments in the `.proto` files document the
//! messages and calls.

use std::collections::HashMap;
use std::sync::LazyLock;

/// The access rule of one method, from the option `millrace.options.v1.rule`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MethodRule {
    /// The path of the method, `/package.Service/Method`.
    pub path: &'static str,
    /// Who may call it.
    pub access: Access,
    /// The field of the request that names the resource, dotted; empty when there is none.
    pub resource: &'static str,
    /// Whether the client sends a stream.
    pub client_streaming: bool,
    /// Whether the server sends a stream.
    pub server_streaming: bool,
}

/// Who may call a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody.
    Public,
    /// Whoever has a role that grants this permission.
    Permission(&'static str),
}

/// The rules of all methods of `millrace.*`.
pub const RULES: &[MethodRule] = include!(concat!(env!("OUT_DIR"), "/rules.rs"));

/// Finds the rule of the method at `path`, `/package.Service/Method`.
pub fn rule(path: &str) -> Option<&'static MethodRule> {
    static BY_PATH: LazyLock<HashMap<&str, &MethodRule>> =
        LazyLock::new(|| RULES.iter().map(|rule| (rule.path, rule)).collect());
    BY_PATH.get(path).copied()
}

/// All contracts, options and comments included, as an encoded `google.protobuf.FileDescriptorSet`.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

macro_rules! package {
    ($module:ident) => {
        #[allow(missing_docs, clippy::all)]
        pub mod $module {
            /// Version 1 of this package.
            pub mod v1 {
                include!(concat!(env!("OUT_DIR"), "/millrace.", stringify!($module), ".v1.rs"));
            }
        }
    };
}

package!(common);
package!(options);
package!(discovery);
package!(profiling);
package!(catalog);
package!(identity);
