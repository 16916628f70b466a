# The binary and the certificates it trusts, nothing else. The dashboard's wasm is built first and embedded.

FROM rust:1.95-slim-bookworm AS build
RUN rustup target add wasm32-unknown-unknown
WORKDIR /src
COPY . .
RUN cargo run --locked --package xtask -- web
RUN cargo build --locked --release --package server

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && install -d -o nobody -g nogroup -m 0700 /data
COPY --from=build /src/target/release/ourhub /usr/local/bin/ourhub
USER nobody
VOLUME /data
EXPOSE 3000
# Where browsers reach the container; set it to your address when others do, too.
ENV OURHUB_LISTEN=0.0.0.0:3000 OURHUB_DATA_DIR=/data OURHUB_PUBLIC_URL=http://localhost:3000
ENTRYPOINT ["ourhub"]
