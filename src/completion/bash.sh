# shellcheck shell=bash
# shellcheck disable=SC2034  # the functions that are called use them
_vae_dist() {
  local verb option kind reply stem each piece before='' word=${COMP_WORDS[COMP_CWORD]} i
  local -a typed=() candidates=()
  # Readline takes words apart at "=" and ":".
  for ((i = 1; i <= COMP_CWORD; i++)); do
    piece=${COMP_WORDS[i]}
    if ((${#typed[@]})) && [[ $piece == [=:]* || ( -n $piece && $before == *[=:] ) ]]; then
      typed[${#typed[@]} - 1]+=$piece
    else
      typed+=("$piece")
    fi
    before=$piece
  done
  if [[ $word == [=:] ]]; then word=''; fi
  local last=$((${#typed[@]} - 1))
  local whole=${typed[last]}
  local kept=${whole%"$word"}   # what readline leaves in front of its own word
  __vae_dist_locate "${typed[@]:0:last}"
  __vae_dist_wanted "$whole"
  COMPREPLY=()
  case $kind in
    words | verbs | keys*)
      read -ra candidates <<< "$reply"
      for each in "${candidates[@]}"; do
        if [[ $kind == keys* ]]; then each+='='; fi
        each=$stem$each
        if [[ $each == "$whole"* ]]; then COMPREPLY+=("${each#"$kept"}"); fi
      done
      if [[ $kind == keys* ]]; then compopt -o nospace 2> /dev/null; fi
      ;;
  esac
  local list=''
  case $kind in
    file) list='file' ;;
    folder) list='directory' ;;
    verbs | keys*) if ((${#COMPREPLY[@]} == 0)); then list='file'; fi ;;
  esac
  if [[ -n $list ]]; then
    compopt +o nospace -o filenames 2> /dev/null
    while IFS= read -r each; do
      # A configuration, or a folder on the way to one.
      if [[ ( $kind == verbs || $kind == keys ) && ! -d $each && $each != *.yaml && $each != *.yml ]]; then continue; fi
      each=$stem$each
      COMPREPLY+=("${each#"$kept"}")
    done < <(compgen -A "$list" -- "${whole#"$stem"}")
  fi
}

complete -F _vae_dist vae_dist
