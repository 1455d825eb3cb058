"""The words that invoices use for their parts, in English, German, French, Dutch, Italian and Spanish.

Data only. Phrases are in lower case without accents (see `dates.fold`); a space in one stands for any run of spaces
and punctuation, or for nothing, so that "rechnungs nr" is also "Rechnungsnr." and "Rechnungs-Nr.".
"""

from __future__ import annotations

import re

from .dates import fold

_GLUE = r"[\s.\-/'’()]*"


def phrases(text: str) -> re.Pattern[str]:
    """A pattern for any of the phrases (one a comma), the longest first, as whole words."""
    every = sorted({fold(phrase.strip()) for phrase in text.split(",") if phrase.strip()}, key=len, reverse=True)
    joined = "|".join(map(_pattern, every))
    return re.compile(rf"(?<![a-z0-9])(?:{joined})(?![a-z])")


def _pattern(phrase: str) -> str:
    """A phrase as short as "po" must not be the head of an identifier such as PO445."""
    pattern = _GLUE.join(re.escape(word) for word in phrase.split())
    return pattern + r"(?!\d)" if len(phrase) < 4 and phrase.isalpha() else pattern


NUMBER = phrases(
    """
    invoice number, invoice no, invoice num, invoice nr, invoice id, invoice #, tax invoice no, bill number, bill no,
    credit note number, credit note no, credit memo number, credit memo no, receipt number, receipt no, document
    number, document no, invoice reference, inv no, inv #, vat invoice number, tax invoice number, statement number,
    rechnungs nummer, rechnungs nr, rechnung nr, rechnung nummer, beleg nummer, beleg nr, re nr, rg nr, rechnungs no,
    gutschrifts nummer, gutschrift nummer, gutschrifts nr, gutschrift nr, dokument nummer, dokument nr, numero de
    facture, numero facture, n° de facture, n° facture, no de facture, facture n°, facture no, facture numero, facture
    nº, nº de facture, num facture, no facture, avoir n°, avoir no, n° avoir, numero d avoir, piece n°, n° de piece,
    factuur nummer, factuur nr, factuur no, creditnota nummer, creditnota nr, factuur kenmerk, fattura n, fattura n°,
    fattura nr, fattura numero, numero fattura, n fattura, n° fattura, nr fattura, num fattura, numero documento, n
    documento, n° documento, nota di credito n, nota di credito n°, documento n, fattura num, numero de factura, n° de
    factura, nº de factura, n factura, nº factura, n° factura, num factura, factura n°, factura nº, factura no,
    factura num, factura numero, no factura, no de factura, factura n, n de factura, nº fra, numero factura, num de
    factura, nota de credito nº, factura rectificativa nº"""
)
TITLE = phrases(
    """
    invoice, tax invoice, vat invoice, credit note, credit memo, bill, receipt, rechnung, gutschrift, stornorechnung,
    rechnungskorrektur, schlussrechnung, abschlagsrechnung, teilrechnung, handelsrechnung, baurechnung, facture,
    avoir, note de credit, factuur, creditnota, creditfactuur, fattura, nota di credito, factura, factura
    simplificada, nota de credito, factura rectificativa, abono"""
)
CREDIT = phrases(
    """
    credit note, credit memo, gutschrift, rechnungskorrektur, stornorechnung, korrekturrechnung, avoir, facture d
    avoir, note de credit, creditnota, creditfactuur, nota di credito, nota de credito, nota de abono, factura
    rectificativa, rechnungsgutschrift"""
)
SELF_BILLED = phrases("selbst ausgestellte rechnung, self billed, self billing, autofacturation, gutschriftsverfahren")
ISSUED = phrases(
    """
    invoice date, date of invoice, date of issue, issue date, issued on, issued, date issued, bill date, billing date,
    tax point, invoiced on, invoice dated, statement date, credit note date, receipt date, date of receipt, rechnungs
    datum, ausstellungs datum, beleg datum, rechnung vom, liefer und rechnungs datum, rechnungs und liefer datum,
    gutschrifts datum, datum der rechnung, rechnungs liefer datum, date de facture, date de facturation, date d
    emission, date facture, facture du, emise le, emis le, date de la facture, date d avoir, avoir du, facture en date
    du, factuur datum, datum factuur, factuur van, data fattura, data documento, data emissione, data di emissione,
    data della fattura, fattura del, fecha de factura, fecha factura, fecha de emision, fecha emision, fecha de
    expedicion, fecha expedicion, fecha de la factura, factura de fecha"""
)
DATE = phrases("date, dated, datum, date le, le, data, fecha, den")
DUE_DATE = phrases(
    """
    due date, payment due date, payment due by, payment due on, payment due, due on, due by, pay by, date due, payable
    by, amount due on, total amount due on, please pay by, payment date due, due, balance due on, falligkeits datum,
    fallig am, fallig bis, fallig, falligkeit, zahlbar bis, zahlungsziel, zahlung bis, zahlbar am, zu zahlen bis,
    netto bis, ohne abzug bis, zahlungsfrist, date d echeance, echeance, a payer avant le, a regler avant le, payable
    le, date limite de paiement, a payer avant, payable avant le, payable jusqu au, date echeance, a regler le, verval
    datum, vervaldag, uiterste betaaldatum, te betalen voor, betalen voor, uiterlijk, betalen uiterlijk, te voldoen
    voor, scadenza, data scadenza, data di scadenza, scade il, da pagare entro, entro il, scadenze, vencimiento, fecha
    de vencimiento, fecha vencimiento, fecha limite de pago, vence el, vencimientos, fecha de pago, pagar antes del"""
)
DELIVERY = phrases(
    """
    delivery date, date of delivery, date of supply, supply date, service date, leistungs datum, liefer datum, liefer
    und leistungs datum, liefer und rechnungs datum, rechnungs und liefer datum, rechnungs liefer datum, datum der
    lieferung, liefertag, date de livraison, date de prestation, lever datum, data di consegna, data consegna, fecha
    de entrega, fecha de operacion, fecha operacion"""
)
ORDER = phrases(
    """
    purchase order number, purchase order no, purchase order, p o number, po number, your po, customer po, po no, po
    #, your order number, your order no, your order, customer order no, order number, order no, po, bestellnummer,
    bestell nr, bestellung nr, bestellung nr kunde, ihre bestellung, ihre bestellnummer, ihre auftragsnummer,
    bestellung, ihre bestell nr, auftragsnummer, votre commande, n° de commande, numero de commande, bon de commande,
    commande n°, n° commande, bestelnummer, ordernummer, uw ordernummer, uw bestelnummer, numero ordine, ordine n, vs
    ordine, n ordine, numero de pedido, n° de pedido, nº pedido, su pedido, pedido nº, pedido n"""
)
REFERENCE = phrases(
    """
    your reference, your ref, customer reference, buyer reference, referenz des kaufers, ihre referenz, ihr zeichen,
    votre reference, votre ref, uw referentie, uw kenmerk, vostro riferimento, vs rif, su referencia"""
)
PAYMENT_REFERENCE = phrases(
    """
    payment reference, payment communication, zahlungs referenz, verwendungszweck, reference de paiement,
    communication for your payment, betalingskenmerk, betalingsreferentie, gestructureerde mededeling, causale
    pagamento, referencia de pago, qr reference"""
)
CURRENCY = phrases(
    """
    currency, wahrung, rechnungswahrung, devise, monnaie, valuta, munt, divisa, moneda, betrage in, amounts in, prices
    in"""
)
BUYER = phrases(
    """
    bill to, billed to, bill to address, billing address, invoice to, invoiced to, sold to, buyer, customer, client,
    customer name, client name, billing to, invoice for, billed for, issued to, recipient, bill for, charge to,
    billing details, bill to party, receiver, guest, guest name, tenant, customer details, client details,
    rechnungsempfanger, kunde, kaufer, leistungsempfanger, kaufer leistungsempfanger, rechnungsadresse, empfanger,
    rechnung an, auftraggeber, rechnungsanschrift, mieter, gast, facture a, factures a, client facture, adresse de
    facturation, destinataire, acheteur, adresse facturation, facturer a, nom du client, factuur aan, klant,
    factuuradres, afnemer, koper, klantnaam, factureren aan, gefactureerd aan, cliente, destinatario, spett le, spett,
    spettabile, intestatario, cessionario committente, cessionario, intestato a, fatturare a, fatturato a, acquirente,
    committente, facturar a, facturado a, datos del cliente, dirigida a, comprador, nombre del cliente, receptor,
    datos cliente, titular"""
)
SELLER = phrases(
    """
    seller, from, supplier, vendor, bill from, billed by, issued by, sold by, service provider, invoice from, payable
    to, provider, remit to, remit payment to, make payment to, make checks payable to, please make payment to, account
    name, rechnungssteller, rechnungsersteller, verkaufer, lieferant, absender, leistungserbringer, kontoinhaber,
    rechnung von, aussteller, vendeur, fournisseur, emetteur, prestataire, emis par, titulaire, titulaire du compte,
    expediteur, verkoper, leverancier, afzender, ten name van, tnv, factuur van, cedente prestatore, cedente,
    fornitore, prestatore, mittente, venditore, intestatario conto, emittente, emisor, proveedor, vendedor, datos del
    emisor, expedidor, titular de la cuenta, facturado por, emitida por"""
)
WEAK_SELLER = phrases(
    """
    remit to, remit payment to, payable to, make checks payable to, account name, kontoinhaber, titulaire, titulaire
    du compte, ten name van, tnv, intestatario conto, titular de la cuenta, please make payment to, make payment to,
    from, absender, afzender, mittente, expediteur, factuur van, rechnung von"""
)
SHIP_TO = phrases(
    """
    ship to, shipping address, deliver to, delivery address, service address, lieferadresse, lieferanschrift,
    warenempfanger, abweichender warenempfanger, abweichender zahlungsempfanger, adresse de livraison, livre a,
    afleveradres, leveringsadres, indirizzo di consegna, destinazione, luogo di consegna, direccion de envio,
    direccion de entrega, enviar a, lieferung an, remit to, contact commercial, ansprechpartner"""
)
NAME = phrases(
    """
    name, company, company name, firma, nom, naam, bedrijf, nome, ragione sociale, denominazione, nombre, razon
    social, raison sociale, societe, bedrijfsnaam"""
)
TAX_ID = phrases(
    """
    vat id, vat id no, vat no, vat number, vat reg no, vat registration no, vat registration number, vat registration,
    vat, vat reg, vat identification number, tax id, tax id no, tax number, tax reg no, gst no, gst number, gstin,
    gst, gst reg no, abn, ein, tin, federal tax id, pan, company vat, trn, ust idnr, ust id nr, ust id, ust ident nr,
    ustid, ustidnr, umsatzsteuer id, umsatzsteuer identifikationsnummer, uid, uid nr, uid nummer, mwst nr,
    steuernummer, steuer nr, st nr, ust nr, n° tva, numero de tva, no tva, tva, tva intracommunautaire, n° tva
    intracommunautaire, tva intra, n° tva intra, numero tva, n° de tva, siret, siren, btw nummer, btw nr, btw, btw id,
    btw identificatienummer, partita iva, p iva, piva, p i, codice fiscale, cod fisc, c f, cf, cf p iva, cif, nif, n i
    f, c i f, nif cif, cif nif, nif iva, vat nif, dni, nie, identificacion fiscal, id fiscal"""
)
TAX_NUMBER_ONLY = phrases(
    "steuernummer, steuer nr, st nr, siret, siren, codice fiscale, cod fisc, c f, cf, pan, tax number, tax id, ein"
)
YOURS = phrases(
    """
    your, customer, client, buyer, bill to, ihre, kunde, kunden, kaufer, votre, uw, klant, cliente, vostra, vs, su,
    del cliente, recipient"""
)

COLUMNS: dict[str, str] = {
    "pos": """
        pos, #, line, position, posnr, pos nr, sl no, s no, sr no, sno, ln, lp, nr, no, n°, n, item no, riga, lfd nr""",
    "code": """
        item code, sku, art nr, artikelnummer, artikel nr, artikelnr, art no, product code, part number, part no,
        ref, reference, referenzen, codice, cod, codigo, hsn, hsn sac, hsn code, sac, code, unsere art nr, item #,
        artnr, referentie, artikelcode, material, ean, gtin, article no, product id, referencia, prodcode, cod art,
        art nr kunde""",
    "desc": """
        description, item, item description, product, product name, service, services, details, particulars,
        artikel, artikelbeschreibung, bezeichnung, beschreibung, produkt, leistung, artikelbezeichnung,
        leistungsbeschreibung, text, designation, libelle, article, produit, prestation, prestations, omschrijving,
        descrizione, articolo, prodotto, descrizione dei beni, descripcion, concepto, producto, detalle, articulo,
        activity, task, goods, tatigkeit, service description, plan, description of goods, description of services,
        dienst, prodotto servizio, titel, produktbeschreibung, produktname, description of goods and services,
        designation des produits, items, products, item & description, item name, work performed, product service,
        product description, artikelname, charge description, natura e qualita, descripcion del servicio, servicio,
        desc""",
    "qty": """
        qty, quantity, usage, consumption, verbrauch, consommation, consumo, verbruik, nombre, nb, hoeveelheid,
        ordered, shipped, qty ordered, qty shipped, anz, hours worked, menge, anzahl, quantite, qte, qt, aantal, q
        ta, quantita, cantidad, cant, hours, hrs, stunden, units, stuck, stk, nights, ud, uds, unidades, heures,
        stuks, hours qty, qty hrs, std, quant, nachte, tage, days, nuits, quantity hours, notti, noches, billed qty,
        qta""",
    "unit": """
        unit, um, uom, u m, einheit, meng einheit, mengeneinheit, unite, eenheid, unidad, unita, measure, me, eh,
        einh, per, u""",
    "price": """
        price, unit price, rate, unit cost, price each, cost, preis, einzelpreis, e preis, ep, vk preis, stuckpreis,
        nettopreis, preis einheit, preis pro einheit, preis stuck, einzel, einzelpreis netto, vk preis ohne mwst,
        unit rate, prix unitaire, pu, p u ht, prix, prix unitaire ht, pu ht, p u, prix u, prix u ht, pu net, tarif,
        prijs, prijs per stuk, stuksprijs, eenheidsprijs, tarief, prezzo, prezzo unitario, precio, precio unitario,
        p unit, precio ud, p unitario, prezzo unit, rate item, unit price excl vat, price unit, hourly rate, each,
        stukprijs, p u h t, einzelpreis eur, price per unit, net unit price, ansatz, stundensatz, einheitspreis,
        preis netto, stk preis, unit amount, unit net price, netto preis, unit net, net price, pvp, precio u, prezzo
        u, unitario""",
    "amount": """
        amount, total, line total, net amount, net, nettobetrag, betrag, gesamt, gesamtpreis, gesamtbetrag, summe, g
        preis, gp, zeilenbetrag, positionsbetrag, wert, montant, montant ht, total ht, prix ht, prix total, bedrag,
        totaal, netto, prijs incl btw, importo, totale, prezzo totale, imponibile, importe, subtotal, subtotaal,
        price total, total price, extended price, ext price, ext, value, taxable value, amount excl, totale riga,
        charges, charge, betrag netto, gesamt netto, gesamtpreis netto, zeilenbetrag ohne mwst, total net, net
        total, extension, line amount, montant h t, total h t, prix total ht, total excl vat, totaal excl btw,
        bedrag excl btw, prijs excl btw, importe neto, total neto, line net, net value, sub total, total cost,
        betrag eur, amount due, sum, gesamtbetrag netto, amount net, subtotale, base imponible, total line,
        totaalprijs, totaal bedrag, extended, amount excl vat, nettowert, summe netto, netto betrag, zwischensumme""",
    "gross": """
        gross amount, total ttc, montant ttc, brutto, bruttobetrag, total incl tax, amount incl, totaal incl, gross,
        gross total, total incl vat, totaal incl btw, bedrag incl btw, total inc vat, gesamt brutto, total con iva,
        amount incl vat, prix ttc""",
    "rate": """
        vat, vat %, vat rate, tax, tax rate, mwst, ust, mwst %, ust %, steuersatz, ust satz, mwst satz, tva, taux
        tva, btw, btw %, iva, iva %, aliquota, taxes, gst, gst %, igst, cgst, sgst, tax %, % tva, taux, % iva, %
        mwst, tipo iva, st satz, vat code, aliq iva, taux de tva, steuer, aliq, tva %, sales tax""",
    "tax": """
        vat amount, tax amount, mwst betrag, steuerbetrag, montant tva, btw bedrag, importe iva, ust betrag,
        imposta, total vat, total tax, cuota iva, iva importe""",
    "discount": """
        discount, disc, disc %, rabatt, rabatt %, rem, remise, korting, sconto, descuento, dto, nachlass, % disc,
        discount %, dto %, sc %, sconto %, rem %, disc amt, kort""",
    "date": """
        date, datum, fecha, data, zeitraum, period, periode, service date, day, tag, dates""",
}

_LANGUAGE_WORDS = {
    "en": """
        invoice the and for your date total amount due please payment to from of with number bill tax""",
    "de": """
        rechnung und der die das für vom bitte betrag ihre nicht zahlbar rechnungsnummer menge mwst ust auf
        rechnungsdatum gesamtbetrag netto brutto straße einheit datum""",
    "fr": """
        facture le la les et de du des pour date montant votre tva ttc ht par quantité prix échéance règlement rue""",
    "nl": """
        factuur de het een en van voor uw btw bedrag totaal aantal prijs factuurnummer factuurdatum betalen niet""",
    "it": """
        fattura il la di del e per iva totale importo quantità prezzo data descrizione pagamento via imponibile""",
    "es": """
        factura el la de del y para por iva total importe cantidad precio fecha descripción pago calle cliente""",
}
LANGUAGES: dict[str, frozenset[str]] = {
    language: frozenset(words.split()) for language, words in _LANGUAGE_WORDS.items()
}
