
_vae_dist() {
  local verb option kind reply stem
  __vae_dist_locate "${(@)words[2,CURRENT-1]}"
  __vae_dist_wanted "$PREFIX"
  if [[ -n $stem ]]; then compset -P 1 '*='; fi
  case $kind in
    words) compadd -- ${=reply} ;;
    verbs) compadd -- ${=reply} || _files -g '*.(yaml|yml)' ;;
    keys) compadd -S '=' -- ${=reply} || _files -g '*.(yaml|yml)' ;;
    keys_or_file) compadd -S '=' -- ${=reply} || _files ;;
    file) _files ;;
    folder) _files -/ ;;
    *) return 1 ;;
  esac
}

# As a file of $fpath it is the function's own body at first; otherwise it is sourced.
if [[ ${funcstack[1]} == _vae_dist ]]; then
  _vae_dist "$@"
else
  compdef _vae_dist vae_dist
fi
