#!/bin/sh
# Makes the certificates of the TLS tests, with openssl 3: they are valid for a hundred years, but for
# `expired`. Run it in this folder when they must change.
set -eu
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT

key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null; }

authority() { # key, certificate
  key "$1"
  openssl req -x509 -new -key "$1" -subj "/CN=$(basename "$2" .crt)" -days 36500 -out "$2" \
    -addext keyUsage=critical,keyCertSign
}

certificate() { # name, subjectAltName, first day, last day
  key "$1.key"
  openssl req -new -key "$1.key" -subj "/CN=$1" -out "$work/csr"
  printf 'subjectAltName=%s\nbasicConstraints=CA:FALSE\n' "$2" >"$work/extensions"
  openssl ca -batch -notext -config "$work/config" -extfile "$work/extensions" -in "$work/csr" \
    -startdate "$3" -enddate "$4" -out "$1.crt" 2>/dev/null
}

cat >"$work/config" <<END
[ca]
default_ca = ours
[ours]
database = $work/index
new_certs_dir = $work
certificate = authority.crt
private_key = $work/authority.key
rand_serial = yes
default_md = sha256
policy = any
[any]
commonName = supplied
END
: >"$work/index"

authority "$work/authority.key" authority.crt
authority "$work/stranger.key" stranger.crt
certificate server DNS:localhost,IP:127.0.0.1 20250101000000Z 21250101000000Z
certificate elsewhere DNS:elsewhere.example 20250101000000Z 21250101000000Z
certificate expired DNS:localhost,IP:127.0.0.1 20200101000000Z 20210101000000Z
certificate client DNS:client 20250101000000Z 21250101000000Z
