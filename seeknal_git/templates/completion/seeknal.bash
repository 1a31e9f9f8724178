# Completion of seeknal for bash: source this file.

_seeknal() {
    local candidate
    COMPREPLY=()
    while IFS= read -r candidate; do
        COMPREPLY+=("$candidate")
    done < <(
        SEEKNAL_COMPLETE=bash SEEKNAL_COMPLETE_LINE="${COMP_LINE:0:COMP_POINT}" \
            SEEKNAL_COMPLETE_BREAKS="$COMP_WORDBREAKS" "$1" 2>/dev/null
    )
}

complete -o default -F _seeknal seeknal
