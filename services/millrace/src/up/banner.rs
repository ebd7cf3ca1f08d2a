//! What `up` prints once the mesh is ready: where it is, and calls that work when pasted.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::output;

/// Where the mesh is, and how to get in.
pub struct Banner {
    /// The gateway.
    pub gateway: SocketAddr,
    /// Whether it speaks TLS.
    pub tls: bool,
    /// The URL of the admin page.
    pub admin: String,
    /// The file with the administrator's token.
    pub token: PathBuf,
}

impl Banner {
    /// Prints it to stdout. A reader that went away does not stop the mesh.
    pub fn show(&self) {
        let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("millrace"));
        let mut stdout = std::io::stdout().lock();
        let _ = stdout.write_all(self.text(&program).as_bytes()).and_then(|()| stdout.flush());
    }

    fn text(&self, program: &Path) -> String {
        let (program, token, gateway) = (quoted(program), quoted(&self.token), self.gateway);
        let state = match self.token.exists() {
            true => "readable by its owner alone",
            false => "missing; stop the mesh and run `millrace admin reset-token`",
        };
        let place = output::fields(&[
            ("  gateway", gateway.to_string()),
            ("  admin page", self.admin.clone()),
            ("  token", format!("{} ({state})", self.token.display())),
        ]);
        let (plaintext, scheme) = if self.tls { ("", "https://") } else { ("-plaintext ", "") };
        format!(
            "\nMillrace is ready.\n\n{place}\n\nTry, in another terminal:\n\n\
             grpcurl {plaintext}-H \"authorization: Bearer $(cat {token})\" -d '{{\"parent\": \"tenants/main\"}}' \
             {gateway} millrace.catalog.v1.CatalogService/ListDatasets\n\n\
             {program} dataset list --address {scheme}{gateway} --token-file {token}\n\n\
             {program} search bird strikes --address {scheme}{gateway} --token-file {token}\n\n\
             Ctrl-C stops the mesh.\n"
        )
    }
}

/// A path as a shell reads it back.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:@%=".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calls_name_token_and_program_as_a_shell_reads_them() {
        let banner = Banner {
            gateway: "127.0.0.1:7070".parse().unwrap(),
            tls: false,
            admin: "http://127.0.0.1:1/".to_owned(),
            token: PathBuf::from("/data of mine/admin.token"),
        };
        let text = banner.text(Path::new("/opt/millrace"));
        assert!(text.contains("Bearer $(cat '/data of mine/admin.token')\""), "{text}");
        assert!(text.contains("/opt/millrace dataset list --address 127.0.0.1:7070"), "{text}");
        assert!(text.contains("grpcurl -plaintext -H"), "{text}");
        let text = Banner { tls: true, ..banner }.text(Path::new("/opt/millrace"));
        assert!(text.contains("grpcurl -H") && text.contains("--address https://127.0.0.1:7070"), "{text}");
        assert_eq!(quoted(Path::new("it's")), r"'it'\''s'");
    }
}
