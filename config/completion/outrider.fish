# SPDX-License-Identifier: Apache-2.0
# Completion of outrider(8) for fish. A test compares the flags with those of `outrider --help`.

set -l verbs check explain health
set -l configured "not __fish_seen_subcommand_from health"

complete -c outrider -f
complete -c outrider -n "not __fish_seen_subcommand_from $verbs" -a check -d "Print what is in force, or every mistake"
complete -c outrider -n "not __fish_seen_subcommand_from $verbs" -a explain -d "Print what becomes of a page's candidates"
complete -c outrider -n "not __fish_seen_subcommand_from $verbs" -a health -d "Ask a running outrider whether it is ready"
complete -c outrider -s c -l config -r -F -d "Configuration file"
complete -c outrider -n $configured -l origin -x -a "http:// unix:/" -d "The server behind"
complete -c outrider -n $configured -l listen -x -a "https:// http://" -d "Where clients connect"
complete -c outrider -n $configured -l cert -r -F -d "PEM file with certificate and chain"
complete -c outrider -n $configured -l key -r -F -d "PEM file with the private key"
complete -c outrider -n $configured -l workers -x -d "Threads"
complete -c outrider -n $configured -l origin-timeout -x -d "Longest silence of the origin"
complete -c outrider -n "__fish_seen_subcommand_from explain" -l client -r -F -a "browser push" -d "Ask as"
complete -c outrider -n "__fish_seen_subcommand_from health" -l admin -x -d "The admin listener"
complete -c outrider -n "__fish_seen_subcommand_from health" -l live -d "Ask whether it is alive, rather than ready"
complete -c outrider -n "__fish_seen_subcommand_from health" -l timeout -x -d "How long to wait"
complete -c outrider -n $configured -l version -d "Print the version"
complete -c outrider -s h -l help -d "Print a summary of the flags"
