# Sourced by the scripts beside it: packages of Debian, fetched and unpacked without root.

say() { printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >&2; }
stop() {
  say "error: $*"
  exit 1
}

# needs COMMAND PACKAGE: stops where the command is missing.
needs() { command -v "$1" >/dev/null || stop "$1 is missing; install the package $2"; }

# unpack PACKAGE FOLDER: fetches the package and unpacks it below the folder; prints its version.
unpack() {
  mkdir -p "$2"
  (cd "$2" && apt-get download -qq "$1" 2>"$2/messages") ||
    stop "apt-get download $1 failed (are package lists there, and a network?): $(tail -n 1 "$2/messages")"
  local file
  file=$(find "$2" -maxdepth 1 -name "$1_*.deb")
  dpkg -x "$file" "$2/files"
  dpkg-deb -f "$file" Version
}
