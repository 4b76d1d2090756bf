/** French for the error texts of the server. `{n}` stands for a number. */
export const serverTextsFr: Readonly<Record<string, string>> = {
  "This field is required.": "Remplissez ce champ.",
  "This field may not be blank.": "Remplissez ce champ.",
  "This field may not be null.": "Remplissez ce champ.",
  "Null characters are not allowed.": "Ce texte contient un caractère interdit.",
  "Enter a valid email address.": "Saisissez une adresse e-mail comme anne@example.org.",
  "Ensure this field has no more than {n} characters.": "Saisissez au plus {n} caractères.",
  "user with this email already exists.": "Il existe déjà un compte avec cette adresse e-mail.",
  "User with given email does not exist.": "Il n’existe pas de compte avec cette adresse e-mail.",
  "Invalid password.": "Ce n’est pas votre mot de passe.",
  "No active account found with the given credentials": "L’adresse e-mail ou le mot de passe est incorrect.",
  "This password is too short. It must contain at least {n} characters.":
    "Ce mot de passe est trop court. Utilisez au moins {n} caractères.",
  "This password is too common.": "Ce mot de passe est trop courant.",
  "This password is entirely numeric.": "Ce mot de passe ne contient que des chiffres. Ajoutez des lettres.",
  "The password is too similar to the email.": "Ce mot de passe ressemble trop à votre adresse e-mail.",
  "The password is too similar to the first name.": "Ce mot de passe ressemble trop à votre prénom.",
  "The password is too similar to the last name.": "Ce mot de passe ressemble trop à votre nom.",
  "The password is too similar to the name of this service.": "Ce mot de passe ressemble trop au nom de ce site.",
  "This password has appeared in a data breach, so attackers try it. Choose a different one.":
    "Ce mot de passe figure dans une fuite de données, et des attaquants l’essaient. Choisissez-en un autre.",
};
