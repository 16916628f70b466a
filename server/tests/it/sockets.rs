//! TCP sends at once, on both sides: no piece of a stream waits for the next.

#![cfg(target_os = "linux")]

use crate::harness::{hello_streamed, spawn};
use crate::upstream::{Reply, delta};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use server::secrets::Secret;
use socket2::Socket;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Every TCP socket of this process, each by a second descriptor, with both of its addresses.
fn sockets() -> Vec<(Socket, SocketAddr, SocketAddr)> {
    let this = pidfd_open(getpid(), PidfdFlags::empty()).unwrap();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fd").unwrap() {
        let number = entry.unwrap().file_name().into_string().unwrap().parse().unwrap();
        // What another test closed meanwhile is not there any more.
        let Ok(descriptor) = pidfd_getfd(&this, number, PidfdGetfdFlags::empty()) else {
            continue;
        };
        let socket = Socket::from(descriptor);
        let ends = socket.local_addr().ok().zip(socket.peer_addr().ok());
        let ends = ends.and_then(|(local, peer)| Some((local.as_socket()?, peer.as_socket()?)));
        if let Some((local, peer)) = ends {
            found.push((socket, local, peer));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nagles_algorithm_is_off_on_both_sides() {
    assert_is_off(false).await;
    // Through a proxy another client connects; here the upstream is its own.
    assert_is_off(true).await;
}

async fn assert_is_off(is_by_proxy: bool) {
    let hub = spawn().await;
    let address = hub.upstream.address();
    hub.account_with("one", |new| {
        new.proxy_url = is_by_proxy.then(|| Secret::new(format!("http://{address}")));
    })
    .await;
    let gate = Arc::new(Semaphore::new(0));
    // A proxy is asked for a whole URL.
    let called = if is_by_proxy { "http:" } else { "one" };
    hub.upstream
        .answer(called, Reply::events(&[delta("first")]).gate_after(1, &gate));
    let key = hub.key().await;
    let mut stream = key.open(&hello_streamed()).await;
    stream.until("first").await;

    let sockets = sockets();
    let flags = |is_ours: &dyn Fn(SocketAddr, SocketAddr) -> bool| {
        let ours = sockets.iter().filter(|(_, local, peer)| is_ours(*local, *peer));
        ours.map(|(socket, ..)| socket.tcp_nodelay().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(flags(&|local, _| local == hub.address), [true], "towards the client");
    let upstream = hub.upstream.address();
    assert_eq!(flags(&|_, peer| peer == upstream), [true], "towards the upstream");
    drop((sockets, stream, key));
    gate.add_permits(1);
    hub.close().await;
}
