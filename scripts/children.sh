# What children.js beside it, and tests/common/children.rs, start programs with.
#
# guard <folder> [<own> <runner>]: waits until the process that started it is gone: its standard input
#   ends then. Kills all process groups that are named in <folder>/children, and removes <folder>. If
#   it is told, it also kills the process <own>, which started it, as soon as <runner> is gone.
# run <folder> <program> …: becomes the program, once its process group is named in <folder>/children.

what=$1
folder=$2
shift 2

case $what in
  run)
    # The guard moves the folder before it reads it, so nothing is named there unseen.
    true > "$folder/children/$$" && [ -e "$folder/children/$$" ] || exit 125
    exec "$@"
    ;;
  guard)
    if [ -n "$2" ]; then
      {
        while kill -0 "$2"; do sleep 1; done
        kill -9 "$1"
      } 2> /dev/null &
      watching=$!
    fi
    while read -r _; do :; done
    [ -z "$watching" ] || kill "$watching"
    mv "$folder/children" "$folder/ended"
    for named in "$folder/ended"/*; do
      kill -9 "-${named##*/}"
    done
    # What is being killed may still write.
    tries=0
    until rm -rf "$folder" || [ "$tries" -eq 30 ]; do
      tries=$((tries + 1))
      sleep 1
    done
    ;;
esac
