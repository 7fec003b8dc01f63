# docker build -t tollgate .
# docker run --read-only -p 127.0.0.1:8080:8080 -v tollgate:/var/lib/tollgate tollgate
#
# A release replaces the stage `build` by the binary that it has built already.

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# The caches outlive the layer, so that a change in src/ does not build the dependencies again. What is in a cache is
# not in the layer: the binary is copied out of it.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin tollgate && cp target/release/tollgate /usr/local/bin/

FROM debian:bookworm-slim
# The certificates of the authorities that upstreams are trusted by.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home --home-dir /var/lib/tollgate --shell /usr/sbin/nologin tollgate \
    && install -d -o tollgate -g tollgate -m 700 /var/lib/tollgate
COPY --from=build /usr/local/bin/tollgate /usr/local/bin/tollgate

# By number, so that an orchestrator can tell that it is not root.
USER 10001
WORKDIR /var/lib/tollgate
# After the folder has its owner, which a new volume takes over.
VOLUME /var/lib/tollgate
# No store.url, which would go before that of a configuration file: without one, SQLite is in data_dir.
# Inside a container 127.0.0.1 cannot be reached from outside; what is published is for `docker run -p` to say.
ENV TOLLGATE__SERVER__HOST=0.0.0.0 \
    TOLLGATE__OPS__HOST=0.0.0.0 \
    TOLLGATE__DATA_DIR=/var/lib/tollgate
EXPOSE 8080 9090
# Asks the port and the host that the gateway's own configuration names.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["tollgate", "health"]
ENTRYPOINT ["tollgate"]
