# children.js beside it and tests/common/children.rs start programs with this script.
#
# guard <folder> [<own> <runner>]: waits for the end of its standard input, which is the end of the process that started
#   it. Kills all process groups that are listed in <folder>/children, and removes <folder>. With <own> and <runner> it
#   also kills the process <own>, which started it, as soon as the process <runner> has ended.
# run <folder> <program> …: adds its process group to <folder>/children, and then becomes the program.

what=$1
folder=$2
shift 2

case $what in
  run)
    # The guard moves the folder before it reads it, so it sees every group that was added.
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
    # Processes that are being killed may still write.
    tries=0
    until rm -rf "$folder" || [ "$tries" -eq 30 ]; do
      tries=$((tries + 1))
      sleep 1
    done
    ;;
esac
