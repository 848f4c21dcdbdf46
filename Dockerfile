# syntax=docker/dockerfile:1
# One image for all roles: docker build --tag erboh .
# It holds the program, the libraries that it is linked to, and the public certificate authorities: no shell, no package
# manager, nothing that has to be patched for its own sake.

# The version in rust-toolchain.toml, which is not in the context: rustup would fetch the linters that it asks for.
ARG RUST=1.95.0

FROM rust:${RUST}-bookworm AS build
ARG TARGETARCH
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
WORKDIR /src
COPY . .
# Cached between builds where the builder keeps caches: the registry, and what was compiled. The latter belongs to one
# platform. What is in a cache is not in the layer, so the binary is copied out.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,id=target-$TARGETARCH,target=/src/target \
    cargo build --release --locked --package erboh --features otlp \
    && install -D --strip target/release/erboh /image/usr/bin/erboh
# Debian's own libraries, at their own places. Names are looked up in /etc/hosts first, as everywhere else.
RUN ldd /image/usr/bin/erboh | grep --only-matching '/[^ ]*' | xargs --replace cp --parents --dereference {} /image \
    && cp --parents /etc/ssl/certs/ca-certificates.crt /image \
    && echo 'hosts: files dns' > /image/etc/nsswitch.conf \
    && install -D --mode 644 LICENSE /image/usr/share/doc/erboh/copyright

FROM scratch
ARG VERSION=dev
ARG REVISION=unknown
ARG SOURCE=https://github.com/example/erboh
LABEL org.opencontainers.image.title="erboh" \
      org.opencontainers.image.description="Ratings through a Kafka topic to exact totals" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /image /
# Nobody in particular, as a number: a pod that must not run as root can be checked without a list of users.
USER 65532:65532
# The producer's page and the board, and the ops port of each.
EXPOSE 3000 3001 3100 3101
ENTRYPOINT ["/usr/bin/erboh"]
