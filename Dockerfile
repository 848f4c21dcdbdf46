# syntax=docker/dockerfile:1
# One image for all roles: docker build --tag erboh .
# It contains the binary, its shared libraries and the public CA certificates: no shell, no package manager, and nothing
# else that would need security updates.

# The version in rust-toolchain.toml. That file is not in the build context, because rustup would install its linters.
ARG RUST=1.95.0

FROM rust:${RUST}-bookworm AS build
ARG TARGETARCH
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
WORKDIR /src
COPY . .
# Cache mounts keep the registry and the compiled crates between builds; the latter per platform. A cache mount is not
# part of the layer, so the binary is copied out.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,id=target-$TARGETARCH,target=/src/target \
    cargo build --release --locked --package erboh --features otlp \
    && install -D --strip target/release/erboh /image/usr/bin/erboh
# Debian's shared libraries, at their original paths. Host names are looked up in /etc/hosts first, as is usual.
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
# A numeric non-root user, so that Kubernetes can verify runAsNonRoot without /etc/passwd.
USER 65532:65532
# The producer, the board, and their ops ports.
EXPOSE 3000 3001 3100 3101
ENTRYPOINT ["/usr/bin/erboh"]
