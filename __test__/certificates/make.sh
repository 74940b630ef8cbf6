#!/bin/sh
# Makes the certificates of the TLS tests, with openssl 3: they are valid for a hundred years, but for those
# that must not be. Run it in this folder when those that lie here must change. Given a folder, it makes
# them there, and many more, for the comparison with Node (trust.test.js).
set -eu
cd "${1:-.}"
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT

# A name, and how `openssl genpkey` makes its key; left out: ECDSA P-256.
key() { # file, arguments
  file=$1
  shift
  [ $# -gt 0 ] || set -- -algorithm EC -pkeyopt ec_paramgen_curve:P-256
  openssl genpkey "$@" -out "$file" 2>/dev/null
}

authority() { # key, certificate
  key "$1"
  openssl req -x509 -new -key "$1" -subj "/CN=$(basename "$2" .crt)" -days 36500 -out "$2" \
    -addext keyUsage=critical,keyCertSign
}

# Issues one for a key that there is.
issue() { # certificate, subject, extensions, first day, last day, options of `openssl ca`
  name=$1 subject=$2 extensions=$3 from=$4 until=$5
  shift 5
  openssl req -new -key "$name.key" -subj "$subject" -out "$work/csr"
  printf '%b' "$extensions" >"$work/extensions"
  openssl ca -batch -notext -config "$work/config" -extfile "$work/extensions" -in "$work/csr" \
    -startdate "$from" -enddate "$until" -out "$name.crt" "$@" 2>/dev/null
}

FROM=20250101000000Z UNTIL=21250101000000Z
LEAF='basicConstraints=CA:FALSE\n'
HERE="subjectAltName=DNS:localhost,IP:127.0.0.1\n$LEAF"

certificate() { # name, subjectAltName, first day, last day
  key "$1.key"
  issue "$1" "/CN=$1" "subjectAltName=$2\n$LEAF" "$3" "$4"
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
unique_subject = no
[any]
commonName = supplied
END
: >"$work/index"

authority "$work/authority.key" authority.crt
authority "$work/stranger.key" stranger.crt
certificate server DNS:localhost,IP:127.0.0.1 $FROM $UNTIL
certificate elsewhere DNS:elsewhere.example $FROM $UNTIL
certificate expired DNS:localhost,IP:127.0.0.1 20200101000000Z 20210101000000Z
certificate client DNS:client $FROM $UNTIL

[ $# -gt 0 ] || exit 0

# As many people make one: it says CA:TRUE.
pinned() { # name, subject, arguments of `openssl req`
  name=$1 subject=$2
  shift 2
  [ -e "$name.key" ] || key "$name.key"
  openssl req -x509 -new -key "$name.key" -subj "$subject" -days 36500 -out "$name.crt" "$@"
}
# One of itself, with dates.
dated() { # name, first day, last day
  key "$1.key"
  issue "$1" /CN=localhost "subjectAltName=DNS:localhost\nbasicConstraints=critical,CA:TRUE\n" "$2" "$3" \
    -selfsign -keyfile "$1.key"
}
leaf() { # name, subject, extensions, how its key is made
  name=$1 subject=$2 extensions=$3
  shift 3
  key "$name.key" "$@"
  issue "$name" "$subject" "$extensions" $FROM $UNTIL
}

pinned pinned /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1
key pinned-cn.key -algorithm RSA -pkeyopt rsa_keygen_bits:2048
pinned pinned-cn /CN=localhost
pinned pinned-leaf /CN=localhost -addext subjectAltName=DNS:localhost -addext basicConstraints=CA:FALSE
pinned pinned-elsewhere /CN=elsewhere.example
pinned pinned-no-server /CN=localhost -addext extendedKeyUsage=clientAuth
pinned pinned-no-tls /CN=localhost -addext keyUsage=critical,keyCertSign
pinned pinned-critical /CN=localhost -addext 1.2.3.4=critical,DER:0500
pinned pinned-twin /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1
dated pinned-expired 20200101000000Z 20210101000000Z
dated pinned-future 20900101000000Z $UNTIL

leaf cn /CN=localhost "$LEAF"
leaf cn-elsewhere /CN=elsewhere.example "$LEAF"
leaf cn-wildcard '/CN=*.nodes.example' "$LEAF"
leaf cn-of-several '/CN=elsewhere.example/CN=localhost' "$LEAF"
leaf cn-address /CN=127.0.0.1 "$LEAF"
leaf cn-beside-address /CN=localhost "subjectAltName=IP:127.0.0.1\n$LEAF"
leaf cn-beside-mail /CN=localhost "subjectAltName=email:ops@example.org\n$LEAF"
leaf cn-beside-name /CN=localhost "subjectAltName=DNS:elsewhere.example\n$LEAF"
leaf of-authority /CN=localhost 'subjectAltName=DNS:localhost\nbasicConstraints=critical,CA:TRUE\n'
leaf no-server /CN=localhost "${HERE}extendedKeyUsage=clientAuth\n"
leaf no-tls /CN=localhost "${HERE}keyUsage=critical,keyCertSign\n"
leaf critical /CN=localhost "${HERE}1.2.3.4=critical,DER:0500\n"
leaf rsa /CN=localhost "$HERE" -algorithm RSA -pkeyopt rsa_keygen_bits:2048
leaf rsa-short /CN=localhost "$HERE" -algorithm RSA -pkeyopt rsa_keygen_bits:1024
leaf p384 /CN=localhost "$HERE" -algorithm EC -pkeyopt ec_paramgen_curve:P-384
leaf p521 /CN=localhost "$HERE" -algorithm EC -pkeyopt ec_paramgen_curve:P-521
leaf secp256k1 /CN=localhost "$HERE" -algorithm EC -pkeyopt ec_paramgen_curve:secp256k1
leaf ed25519 /CN=localhost "$HERE" -algorithm ED25519
leaf ed448 /CN=localhost "$HERE" -algorithm ED448
leaf rsa-pss /CN=localhost "$HERE" -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048

# Signed with what is too old.
key sha1.key
issue sha1 /CN=localhost "$HERE" $FROM $UNTIL -md sha1

# Without extensions it is of version 1: issued, and of itself. openssl has to be told so since 3.4.
version_1() { # name, how it is signed
  name=$1
  shift
  key "$name.key"
  openssl req -new -key "$name.key" -subj /CN=localhost -out "$work/csr"
  openssl x509 -req -x509v1 -in "$work/csr" "$@" -days 36500 -out "$name.crt" 2>/dev/null ||
    openssl x509 -req -in "$work/csr" "$@" -days 36500 -out "$name.crt" 2>/dev/null
}
version_1 version-1 -CA authority.crt -CAkey "$work/authority.key" -CAserial "$work/serial" -CAcreateserial
version_1 pinned-version-1 -signkey pinned-version-1.key

# An authority that has expired, one that the other has issued, and what they have issued.
key old.key
issue old /CN=old 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n' 20200101000000Z 20210101000000Z \
  -selfsign -keyfile old.key
key middle.key
issue middle /CN=middle 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n' $FROM $UNTIL
for issuer in old middle; do
  key of-$issuer.key
  issue of-$issuer /CN=localhost "$HERE" $FROM $UNTIL -cert $issuer.crt -keyfile $issuer.key
  rm $issuer.key
done
cat of-middle.crt middle.crt >of-middle-whole.crt
