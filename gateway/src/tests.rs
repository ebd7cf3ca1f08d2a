//! The promises of `lib.rs`, with the roles and the clients in this process, and both over TCP.

mod administration;
mod door;
mod harness;
mod mesh;
mod sessions;

/// Runs each test over sockets and within the process, and within the process on PostgreSQL.
macro_rules! over_both_transports {
    ($($test:ident),+ $(,)?) => {
        mod in_process {
            $(#[tokio::test]
            async fn $test() {
                super::$test(crate::tests::harness::Mesh::start(crate::tests::harness::Over::Process).await).await;
            })+
        }
        mod over_tcp {
            $(#[tokio::test]
            async fn $test() {
                super::$test(crate::tests::harness::Mesh::start(crate::tests::harness::Over::Tcp).await).await;
            })+
        }
        mod with_postgres {
            $(#[tokio::test]
            async fn $test() {
                let run = async {
                    super::$test(crate::tests::harness::Mesh::start(crate::tests::harness::Over::Process).await).await;
                };
                testkit::on_postgres(stringify!($test), run).await;
            })+
        }
    };
}
use over_both_transports;
