#compdef seeknal
# Completion of seeknal for zsh: source this file, or put it into a folder of $fpath as _seeknal.

_seeknal() {
    local -a candidates
    local line="${(j: :)words[1,CURRENT-1]} $compstate[quote]$PREFIX"
    candidates=("${(@f)$(SEEKNAL_COMPLETE=zsh SEEKNAL_COMPLETE_LINE=$line seeknal 2>/dev/null)}")
    if [[ -n $candidates[1] ]]; then
        compadd -- $candidates
    else
        _files
    fi
}

if [[ $funcstack[1] == _seeknal ]]; then
    _seeknal "$@"
else
    (( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
    compdef _seeknal seeknal
fi
