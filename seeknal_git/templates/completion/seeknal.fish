# Completion of seeknal for fish.

function __seeknal_candidates
    set -lx SEEKNAL_COMPLETE fish
    set -lx SEEKNAL_COMPLETE_LINE (commandline --cut-at-cursor --current-process)
    set -l candidates (seeknal 2>/dev/null)
    if test (count $candidates) -gt 0
        printf '%s\n' $candidates
    else
        __fish_complete_path (commandline --cut-at-cursor --current-token)
    end
end

complete --command seeknal --no-files --arguments '(__seeknal_candidates)'
